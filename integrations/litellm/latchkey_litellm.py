"""LiteLLM's hooks for Latchkey: a call is verified and reserved in one request before it, and settled after it."""
import asyncio, hashlib, json, math, os, time, uuid  # noqa: E401

import httpx
import litellm
from fastapi import HTTPException
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy._types import UserAPIKeyAuth
from pydantic import PrivateAttr

latchkey = httpx.AsyncClient(base_url=os.environ["LATCHKEY_URL"] + "/api/v1", timeout=10, auth=(
    os.environ["LATCHKEY_CLIENT_ID"], os.environ["LATCHKEY_CLIENT_SECRET"]))
resource = os.environ["LATCHKEY_RESOURCE"]
most_tokens = int(os.environ.get("LATCHKEY_MAX_TOKENS", "1024"))  # of an answer, where the caller sets no limit

calls = {"/v1/chat/completions", "/chat/completions", "/v1/completions", "/completions", "/v1/embeddings", "/embeddings"}
lists = {"/v1/models", "/models", "/v1/model/info", "/model/info"}
# What callers may send. Prices, keys, addresses and fallbacks of LiteLLM's are not among it.
parameters = set("""model messages prompt input stream stream_options max_tokens max_completion_tokens n temperature
    top_p stop seed presence_penalty frequency_penalty logit_bias logprobs top_logprobs tools tool_choice
    parallel_tool_calls response_format reasoning_effort metadata user encoding_format dimensions""".split())

limits = ("max_tokens", "max_completion_tokens")  # of an answer
leased = {}  # by id of a provider key: fingerprint, text, end


class Caller(UserAPIKeyAuth):
    """With the credential and its address, which are private: LiteLLM neither logs nor serializes them."""
    _credential: str = PrivateAttr("")
    _address: str = PrivateAttr("")


def refuse(status, body, headers=()):
    raise HTTPException(status, body, {**dict(headers), "x-should-retry": "false"})


async def ask(path, body):
    """Latchkey's answer. A refusal of the caller is passed on; whatever else goes wrong is not the caller's fault."""
    try:
        answer = await latchkey.post(path, json=body)
    except httpx.HTTPError:
        refuse(503, "The gateway cannot reach Latchkey.")
    if "x-latchkey-refusal" in answer.headers:
        refuse(answer.status_code, answer.json(), {k: v for k, v in answer.headers.items() if k == "retry-after"})
    if answer.is_error:
        refuse(503, "The gateway is not set up for this call.")
    return answer.json()


async def authenticate(request, api_key):
    """general_settings.custom_auth. Calls are verified with their reservation, below."""
    if request.url.path not in calls | lists:
        refuse(403, "This gateway has no such route.")
    if request.url.path in lists:
        verdict = await ask("/verify", {
            "credential": api_key, "resource": resource, "scopes": [], "address": request.client.host})
        if not verdict["allowed"]:
            refuse(verdict["refusal"]["status"], json.loads(verdict["refusal"]["body"]))
    else:
        await check(request)
    caller = Caller(api_key=hashlib.sha256(api_key.encode()).hexdigest())
    caller._credential, caller._address = api_key, request.client.host
    return caller


async def check(request):
    """Refuses what LiteLLM might read otherwise, or take for an order of its own, such as a timeout in a header."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        refuse(415, "Send application/json.")
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        refuse(400, "Send a JSON object.")
    odd = (set(body) - parameters) | {name for name in request.headers if name.lower().startswith("x-litellm-")}
    if odd:
        refuse(400, f"The gateway takes no {', '.join(sorted(odd))}.")
    for name in (*limits, "n"):
        if body.get(name) is not None and (type(body[name]) is not int or body[name] < 1):
            refuse(400, f"{name} is a whole number, 1 or more.")


async def provider_key(named):
    if named is None:
        refuse(503, "No key is set for the provider of this model.")
    kept = leased.get(named["id"])
    if kept is None or kept[0] != named["fingerprint"] or kept[2] < time.monotonic():
        lease = await ask(f"/provider-keys/{named['id']}/lease", {})
        kept = leased[named["id"]] = (lease["fingerprint"], lease["key"], time.monotonic() + 50)
    return kept[1]


def estimate(data, deployment):
    """Micro-dollars: all that the model reads, and as much as each answer may have, at the deployment's price."""
    model, given = deployment["litellm_params"]["model"], {**deployment.get("model_info", {}), **deployment["litellm_params"]}
    price = {name: given[name] or 0 for name in ("input_cost_per_token", "output_cost_per_token") if name in given}
    read = [data[name] for name in ("prompt", "input", "tools", "tool_choice", "response_format") if name in data]
    texts = [{"text": json.dumps(read)}] if read else []
    talks = [{"messages": data["messages"], "use_default_image_token_count": True}] if data.get("messages") else []
    try:  # An image is not fetched to be counted.
        prompt = sum(litellm.token_counter(model=model, **each) for each in texts + talks)
    except Exception:
        refuse(400, "The messages cannot be counted.")
    prompts = data.get("prompt")
    answers = sum(type(each) is not int for each in prompts) or 1 if isinstance(prompts, list) else 1
    answer = max(data.get(name) or 0 for name in limits) * (data.get("n") or 1) * answers
    cost = sum(litellm.cost_per_token(model=model, prompt_tokens=prompt, completion_tokens=answer,
                                      custom_cost_per_token=price or None))
    return max(1, micro_dollars(cost))


def micro_dollars(dollars):
    return math.ceil(round(dollars * 1_000_000, 6))  # rounded up once, and not for the error of a float


class Budgets(CustomLogger):
    """litellm_settings.callbacks."""

    async def async_pre_call_hook(self, user_api_key_dict, cache, data, call_type):
        from litellm.proxy.proxy_server import llm_router
        found = llm_router.get_model_list(model_name=data.get("model")) or refuse(400, "There is no such model here.")
        model = found[0]["litellm_params"]["model"]
        if "embedding" not in call_type and not any(data.get(name) for name in limits):
            data["max_tokens"] = most_tokens
        reservation = await ask("/spend/reservations", {
            "credential": user_api_key_dict._credential, "address": user_api_key_dict._address, "resource": resource, "model": data["model"],
            "estimate": estimate(data, found[0]), "reference": str(uuid.uuid4()),
            "provider": litellm.get_llm_provider(model)[1]})
        data["metadata"] = {**(data.get("metadata") or {}), "latchkey_reservation": reservation["id"]}
        try:
            data["api_key"] = await provider_key(reservation["providerKey"])
        except HTTPException:
            await self.end(reservation["id"], "release", {})
            raise
        return data

    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        usage = getattr(response_obj, "usage", None)
        await self.end(reservation_of(kwargs["litellm_params"]), "settle", {
            "amount": micro_dollars(kwargs["response_cost"]), "force": True,  # The tokens were counted: it did cost that.
            "usage": {"inputTokens": usage.prompt_tokens, "outputTokens": usage.completion_tokens or 0}})

    # Not async_log_failure_event, which is per attempt: what is released there, another call may reserve, and the next
    # attempt of this one is paid beside it.
    async def async_post_call_failure_hook(self, request_data, original_exception, user_api_key_dict, traceback_str=None):
        if not may_have_cost(original_exception):
            await self.end(reservation_of(request_data), "release", {})

    async def end(self, reservation, how, body):
        """Tried again for some seconds. What cannot be settled is charged with its estimate, by Latchkey."""
        for pause in (0.1, 0.5, 2, 5, 0) if reservation else ():
            try:
                answer = await latchkey.post(f"/spend/reservations/{reservation}/{how}", json=body)
                if answer.status_code < 500 and answer.status_code != 429:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(pause)


def may_have_cost(exception):
    """Whether a provider may charge for a call that failed: it is not released, and Latchkey charges its estimate."""
    return isinstance(exception, (litellm.Timeout, litellm.exceptions.MidStreamFallbackError))


def reservation_of(call):
    return (call.get("metadata") or {}).get("latchkey_reservation")


budgets = Budgets()
