"""Reads a data folder and compares, as the soak test tells it on stdin, until that ends."""

import sys
import time

import artif

MASK = (1 << 64) - 1
SIZES = [150, 1500, 6000]


class Random:
    """SplitMix64."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)


def dotted(host):
    return ".".join(str(host >> shift & 255) for shift in (24, 16, 8, 0))


def listed(feed, turn):
    random = Random(feed)
    hosts = [(20 + feed) << 24 | (random.next() & 0xFFFFFE) for _ in range(SIZES[feed])]
    random = Random(turn << 8 | feed)
    for _ in range(SIZES[feed] // 10):
        place = random.next() % len(hosts)
        hosts[place] = (20 + feed) << 24 | (random.next() & 0xFFFFFF) | 1
    return hosts


reader = artif.Reader(sys.argv[1])
# By tenths of a microsecond: as many as there are would be a leak of this script's own.
times, done, wrong, choice, doubtful = {}, 0, 0, Random(99), {}


def check(text):
    global done
    began = time.perf_counter_ns()
    answer = reader.check(text)
    took = (time.perf_counter_ns() - began) // 100
    times[took] = times.get(took, 0) + 1
    done += 1
    return answer


def complain(text):
    global wrong
    wrong += 1
    if wrong < 20:
        print("wrong:", text, flush=True)


for line in sys.stdin:
    first, last, *overrides = line.split()
    for entry in overrides[-200:]:
        put, number = entry.split("=")
        answer = check(dotted(9 << 24 | int(number)))
        if (answer.verdict == "blocked") == (put == "1"):
            doubtful.pop(entry, None)
            continue
        # It may be changing right now, and be heard of a little later.
        doubtful[entry] = doubtful.get(entry, 0) + 1
        if doubtful[entry] > 3:
            complain(f"override {number}: {answer.verdict}")
    for feed in range(3):
        # A new snapshot may arrive between two answers: each says which it is from.
        for _ in range(5):
            shown = [
                (turn, answer.snapshot_id)
                for turn in range(max(int(first), 0), int(last) + 1)
                for answer in [check(dotted(5 << 24 | feed << 16 | turn))]
                if answer.is_active and f"feed-{feed}" in answer.feeds
            ]
            if len(shown) == 1:
                break
        else:
            complain(f"turns {shown} at once, {first} to {last} are possible")
            continue
        turn, snapshot = shown[0]
        hosts = listed(feed, turn)
        for _ in range(300):
            text = dotted(hosts[choice.next() % len(hosts)])
            answer = check(text)
            if answer.snapshot_id == snapshot and not answer.is_active:
                complain(f"{text} of feed {feed} is not listed in turn {turn}")


def at(share):
    left = sum(times.values()) * share
    for took in sorted(times):
        left -= times[took]
        if left <= 0:
            return took / 10
    return 0.0


print(f"{done} answers compared, {wrong} wrong")
print(f"check p50 {at(0.5):.1f} us p99 {at(0.99):.1f} us p99.9 {at(0.999):.1f} us")
