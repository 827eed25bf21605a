"""Verifies a skill bundle by its record and the published keys alone: skill-verifier.py BUNDLE RECORD.json JWKS.json"""
import base64, hashlib, json, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

bundle, record, jwks = open(sys.argv[1], "rb").read(), json.load(open(sys.argv[2])), json.load(open(sys.argv[3]))
unb64 = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
number = lambda text: int.from_bytes(unb64(text), "big")
if record["digest"] != "sha256:" + hashlib.sha256(bundle).hexdigest():
    sys.exit("refused: digest")
header, _, signature = record["signature"].split(".")
said = json.loads(unb64(header))
key = next((key for key in jwks["keys"] if key["kid"] == said["kid"] and key["alg"] == said["alg"] == "ES256"), None)
if key is None or said["typ"] != "skill-bundle+jws":
    sys.exit("refused: unknown kid")  # ask for the record again: it is signed by a present key
statement = {name: record[name] for name in ("digest", "name", "version")} | {"publisher": record["organization"]}
payload = base64.urlsafe_b64encode(json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()).rstrip(b"=")
r, s = unb64(signature)[:32], unb64(signature)[32:]
try:
    ec.EllipticCurvePublicNumbers(number(key["x"]), number(key["y"]), ec.SECP256R1()).public_key().verify(
        utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big")),
        header.encode() + b"." + payload, ec.ECDSA(SHA256()))
except InvalidSignature:
    sys.exit("refused: signature")
print("verified")
