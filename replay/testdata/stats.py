# Counts what ssltape replay -V stats counts, from a HAR file, in its own way:
# statistics by nearest rank over plain lists.
import json, math, sys
from collections import defaultdict
from urllib.parse import urlsplit

def size(n):
    if n < 1000: return str(n)
    f = n / 1000
    for unit in "kMGT":
        if f < 999.5: break
        f /= 1000
    return f"{f:.1f}{unit}" if f < 9.95 else f"{f:.0f}{unit}"

def span(ms):
    if ms < 0.0005: return "0ms"
    if ms < 9.95: return f"{ms:.1f}ms"
    if ms < 999.5: return f"{ms:.0f}ms"
    return f"{ms / 1000:.1f}s"

def quantiles(values):
    v = sorted(values)
    return [span(v[max(1, math.ceil(len(v) * q / 100)) - 1]) for q in (50, 95, 100)] if v else ["-"] * 3

hosts, streams = defaultdict(list), defaultdict(list)
for e in json.load(open(sys.argv[1]))["log"]["entries"]:
    host = urlsplit(e["request"]["url"]).netloc
    hosts[host].append(e)
    if e["response"]["content"]["mimeType"].startswith("text/event-stream"): streams[host].append(e)
for host, es in sorted(hosts.items(), key=lambda i: (-len(i[1]), i[0])):
    sizes = [sum(e[side]["headersSize"] + e[side]["bodySize"] for e in es) for side in ("request", "response")]
    print(host, len(es), sum(e["response"]["status"] >= 400 for e in es), 0, *quantiles(e["timings"]["wait"] for e in es),
          *quantiles(e["time"] for e in es), *map(size, sizes), 0)
for host, es in sorted(streams.items(), key=lambda i: (-len(i[1]), i[0])):
    times = [[m["time"] * 1000 for m in e["_eventSourceMessages"]] for e in es]
    from datetime import datetime
    sent = [datetime.fromisoformat(e["startedDateTime"].replace("Z", "+00:00")).timestamp() * 1000 + e["timings"]["send"] for e in es]
    print(host, len(es), sum(map(len, times)), *quantiles(t[0] - s for t, s in zip(times, sent)),
          *quantiles(b - a for t in times for a, b in zip(t, t[1:])))
