// npm run edge-demo [-- --revocations N]: one Latchkey, and APIs in Node, Python and Go that guard themselves. Revokes
// keys under load and asks each API after each acknowledgement; then one API is stopped, then the server is killed.
// Exit code 1 if a revoked key passed anywhere.
