"""The `websockets` client before the `websockets` server: a tunnel that holds its slot to the end."""

import asyncio
import time

import bed

MIB = 1 << 20
PLACES = 8


def play(check):
    import websockets.asyncio.client as client

    with bed.Gate(bed.server("websocket.py", containerConcurrency=2)) as gate:
        gate.until_ready()
        connect = lambda **more: client.connect(  # noqa: E731
            "ws://" + gate.address, max_size=None, proxy=None, **{"compression": None, **more})
        try:
            asyncio.run(talk(check, connect))
        except Exception as error:  # noqa: BLE001 - whatever a library throws at a user
            check(False, f"the first tunnel: {error!r}")
            return
        check(gate.until(lambda: gate.in_flight() == 0, 1), "the slot is back")
        for how in "close abort drop".split():
            asyncio.run(third_waits(check, gate, connect, how))
        most = bed.read_json(f"{gate.url}/stats")["most"]
        check(most == 2, f"the server had never more than two guests: {most}")
    with bed.Gate(bed.server("websocket.py"), top={"maxConnections": PLACES}) as gate:
        gate.until_ready()
        connect = lambda: client.connect("ws://" + gate.address, proxy=None)  # noqa: E731
        asyncio.run(silent_tunnels_stay(check, gate, connect))


async def talk(check, connect):
    async with connect() as one:
        for n in range(1000):
            await one.send(f"message {n}")
            assert await one.recv() == f"message {n}", n
        check(True, "1,000 messages and their echoes")
        big = bytes(range(256)) * (16 * MIB // 256)
        await one.send(big)
        check(await one.recv() == big, "16 MiB in one message, there and back")
        latency = await asyncio.wait_for(await one.ping(), 5)
        check(latency < 1, f"a ping has its pong: {latency * 1000:.2f} ms")
        # Many on their way at once, both ways.
        sent = [bytes([n % 256]) * 10_000 for n in range(500)]
        sending = asyncio.create_task(send_all(one, sent))
        check([await one.recv() for _ in sent] == sent, "500 messages sent before the first echo is read")
        await sending
        await one.send("close 4001 enough")
        await one.wait_closed()
        check((one.close_code, one.close_reason) == (4001, "enough"), f"the server's close code: {one.close_code}")
    async with connect(compression="deflate") as two:
        await two.send("x" * MIB)
        check(await two.recv() == "x" * MIB, "compressed, as the two agreed")
        await two.close(4002, "mine")
        check(two.close_code == 4002, f"the client's close code: {two.close_code}")


async def send_all(tunnel, messages):
    for message in messages:
        await tunnel.send(message)


async def third_waits(check, gate, connect, how):
    """Two tunnels hold both slots; the third is let in once one has ended, however it ends."""
    first, second = await connect(), await connect()
    third = asyncio.create_task(open_third(connect))
    await asyncio.sleep(0.5)
    check(not third.done(), "the third waits while two are open")
    begun = time.monotonic()
    if how == "close":
        await first.close()
    elif how == "abort":
        first.transport.abort()
    else:
        await first.send("drop")
    tunnel = await asyncio.wait_for(third, 10)
    took = time.monotonic() - begun
    by = {"close": "is closed", "abort": "is reset by the client", "drop": "is reset by the server"}[how]
    check(took < 0.1, f"it is let in {took * 1000:.1f} ms after one {by}")
    await tunnel.close()
    await second.close()
    # Looked at from a thread: this one serves the tunnels.
    back = await asyncio.to_thread(gate.until, lambda: gate.in_flight() == 0, 1)
    check(back is not None, "all slots are back")


async def silent_tunnels_stay(check, gate, connect):
    """Where all places are taken, who was served and waits goes; a tunnel stays, however long it is silent."""
    tunnels = [await connect() for _ in range(PLACES // 2)]
    kept = [await ask(gate) for _ in range(PLACES - len(tunnels))]
    await asyncio.sleep(2.5)
    begun = time.monotonic()
    fresh = [await asyncio.wait_for(ask(gate), 10) for _ in range(2)]
    took = time.monotonic() - begun
    check(True, f"two more are let in where all places are taken, within {took:.1f} s")
    for tunnel in tunnels:
        await tunnel.send("still here")
        assert await tunnel.recv() == "still here"
    check(True, f"{len(tunnels)} silent tunnels are still there")
    for _, writer in kept + fresh:
        writer.close()
    for tunnel in tunnels:
        await tunnel.close()


async def ask(gate):
    """A connection that was served once."""
    reader, writer = await asyncio.open_connection(*gate.address.split(":"))
    writer.write(b"GET /stats HTTP/1.1\r\nhost: m\r\n\r\n")
    line = await reader.readline()
    assert line.startswith(b"HTTP/1.1 200"), line
    return reader, writer


async def open_third(connect):
    tunnel = await connect()
    await tunnel.send("in")
    assert await tunnel.recv() == "in"
    return tunnel
