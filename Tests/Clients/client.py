"""client.py requests|httpx|aiohttp|urllib URL"""
import asyncio
import sys

library, base = sys.argv[1:]


def requests():
    for line in sys.stdin:
        method, path, body, *fields = line.rstrip("\n").split("\t")
        yield method, base + path, None if body == "-" else body.encode(), dict(each.split(": ", 1) for each in fields)


def reply(status, tag, text):
    print(status, tag or "", text.replace("\n", "\\n"), sep="\t", flush=True)


def first_data(lines):
    for line in lines:
        line = line.decode() if isinstance(line, bytes) else line
        if line.startswith("data: "):
            return line[6:].rstrip("\n")


def use_requests():
    import requests as module
    session = module.Session()
    for method, url, body, fields in requests():
        if method == "EVENTS":
            with session.get(url, headers=fields, stream=True) as response:
                reply(response.status_code, response.headers.get("ETag"), first_data(response.iter_lines(chunk_size=1)))
        else:
            response = session.request(method, url, data=body, headers=fields)
            reply(response.status_code, response.headers.get("ETag"), response.content.decode())


def use_httpx():
    import httpx
    with httpx.Client(timeout=30) as client:
        for method, url, body, fields in requests():
            if method == "EVENTS":
                with client.stream("GET", url, headers=fields) as response:
                    reply(response.status_code, response.headers.get("ETag"), first_data(response.iter_lines()))
            else:
                response = client.request(method, url, content=body, headers=fields)
                reply(response.status_code, response.headers.get("ETag"), response.text)


async def use_aiohttp():
    import aiohttp
    async with aiohttp.ClientSession() as session:
        for method, url, body, fields in requests():
            async with session.request("GET" if method == "EVENTS" else method, url, data=body, headers=fields) as response:
                if method == "EVENTS":
                    text = None
                    while text is None:
                        text = first_data([await response.content.readline()])
                    response.close()
                else:
                    text = await response.text()
                reply(response.status, response.headers.get("ETag"), text)


def use_urllib():
    import urllib.error
    import urllib.request
    for method, url, body, fields in requests():
        request = urllib.request.Request(url, body, fields, method="GET" if method == "EVENTS" else method)
        try:
            response = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            text = first_data(response) if method == "EVENTS" else response.read().decode()
            reply(response.status, response.headers["ETag"], text)


use = globals()[f"use_{library}"]
asyncio.run(use()) if asyncio.iscoroutinefunction(use) else use()
