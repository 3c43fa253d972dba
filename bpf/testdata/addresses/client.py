# client.py SECURE PLAIN: as client.js, with a thread for each server.
import http.client, ssl, sys, threading
from urllib.parse import urlsplit

secure, plain = (s.split(",") for s in sys.argv[1:])
context = ssl._create_unverified_context()


def get(connection, path):
    connection.request("GET", path)
    connection.getresponse().read()


def connect(kind, url, **options):
    return kind(urlsplit(url).hostname, urlsplit(url).port, **options)


conns = [[(connect(http.client.HTTPSConnection, url, context=context), f"/s{s}a{a}") for a in range(10)]
         for s, url in enumerate(secure)]
for server in conns:
    for connection, path in server[::2]:
        get(connection, path + "before")
print("ready", flush=True)
sys.stdin.readline()


def work(server, url):
    beside = connect(http.client.HTTPConnection, url)
    for n in range(8):
        for connection, path in server:
            get(connection, f"{path}n{n}")
            get(beside, f"/plain{n}")


threads = [threading.Thread(target=work, args=(server, plain[i % len(plain)])) for i, server in enumerate(conns)]
for t in threads:
    t.start()
for t in threads:
    t.join()
