"""Calls a gateway with openai's own client: one line of JSON on standard input for each batch, one for its outcomes."""
import asyncio
import json
import sys

from openai import APIStatusError, AsyncOpenAI


async def call(client, order):
    body = {"model": "small", "messages": [{"role": "user", "content": order["text"]}], **order.get("body", {})}
    try:
        if not order.get("stream"):
            answer = await client.chat.completions.create(**body)
            return {"status": 200, "text": answer.choices[0].message.content}
        stream = await client.chat.completions.create(**body, stream=True)
        chunks = 0
        async for _ in stream:
            chunks += 1
            if chunks == order.get("hangUpAfter"):
                await stream.close()
                return {"status": 200, "chunks": chunks}
        return {"status": 200, "chunks": chunks}
    except APIStatusError as error:
        return {"status": error.status_code, "error": error.response.text}
    except Exception as error:  # the gateway is gone
        return {"status": 0, "error": str(error)}


async def batch(order):
    client = AsyncOpenAI(base_url=order["url"] + "/v1", api_key=order["key"], max_retries=0)
    turns = asyncio.Semaphore(order.get("atOnce", 1))

    async def in_turn():
        async with turns:
            return await call(client, order)

    return await asyncio.gather(*(in_turn() for _ in range(order.get("calls", 1))))


print(json.dumps(asyncio.run(batch(json.loads(sys.argv[1])))))
