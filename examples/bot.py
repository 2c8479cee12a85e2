"""This is a bot in Python, with only the library `websockets`: version 1 of docs/protocol.md.

    pip install websockets
    NEXUS_TOKEN=… python3 examples/bot.py ws://127.0.0.1:17392/bot-ws
"""
import asyncio
import json
import os
import random
import sys

import websockets

URL = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("NEXUS_URL", "ws://127.0.0.1:17392/bot-ws")
BOT_ID = os.environ.get("NEXUS_BOT_ID", "python-parrot")


async def answer(send, chat):
    for word in str(chat.get("content") or "").split(" "):
        await send({"type": "reply", "replyTo": chat["id"], "content": word + " ", "done": False})
        await asyncio.sleep(0.02)
    await send({"type": "reply", "replyTo": chat["id"], "content": "", "done": True})


async def serve(socket, on_registered):
    """Registers and answers until the line drops. Returns whether to dial again."""
    async def send(frame):
        await socket.send(json.dumps(frame))

    answers = set()  # the loop keeps no strong reference to its tasks
    await send({"type": "register", "botId": BOT_ID, "botName": "Parrot in Python", "token": os.environ.get("NEXUS_TOKEN")})
    try:
        async for text in socket:
            try:
                frame = json.loads(text)
            except (ValueError, RecursionError):
                continue
            kind = frame.get("type") if isinstance(frame, dict) else None
            if kind == "registered" and not frame.get("success"):
                print("refused:", frame.get("error"), file=sys.stderr)
                return False
            if kind == "registered":
                on_registered()
            if kind == "ping":
                await send({"type": "pong"})
            if kind == "chat" and isinstance(frame.get("id"), str):
                task = asyncio.create_task(answer(send, frame))
                answers.add(task)
                task.add_done_callback(answers.discard)
    finally:
        for task in answers:
            task.cancel()
    return True


async def main():
    wait = 0.5

    def start_again():
        nonlocal wait
        wait = 0.5

    while True:
        try:
            # No bound on a question: people paste whole documents.
            async with websockets.connect(URL, max_size=None) as socket:
                if not await serve(socket, start_again):
                    return
            if socket.close_code and 4100 <= socket.close_code <= 4199:
                return  # something must be changed first
        except (OSError, websockets.exceptions.WebSocketException) as error:
            print("the line dropped:", error, file=sys.stderr)
            code = getattr(getattr(error, "rcvd", None), "code", 0)
            if 4100 <= code <= 4199:
                return
        await asyncio.sleep(wait * (0.5 + random.random() / 2))
        wait = min(wait * 2, 30)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
