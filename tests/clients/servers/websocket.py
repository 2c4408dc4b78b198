"""A WebSocket server that echoes, and counts its guests: websocket.py PORT.

`close 4001 enough` has it close with that code and reason; /stats is plain HTTP.
"""

import asyncio
import http
import json
import sys

from websockets.asyncio.server import serve

COUNT = {"now": 0, "most": 0, "ever": 0}


async def echo(guest):
    COUNT["now"] += 1
    COUNT["ever"] += 1
    COUNT["most"] = max(COUNT["most"], COUNT["now"])
    try:
        async for message in guest:
            if isinstance(message, str) and message.startswith("close "):
                _, code, reason = message.split(" ", 2)
                await guest.close(int(code), reason)
            elif message == "drop":
                guest.transport.abort()
            else:
                await guest.send(message)
    finally:
        COUNT["now"] -= 1


def look_up(guest, request):
    if request.path == "/stats":
        return guest.respond(http.HTTPStatus.OK, json.dumps(COUNT))
    return None


async def main():
    async with serve(echo, "127.0.0.1", int(sys.argv[1]), process_request=look_up, max_size=None) as server:
        await server.serve_forever()


asyncio.run(main())
