"""Rounds in which every contestant gets the same question, one right after the other, so that noise hits all of them."""
import math
import os
import statistics


class Contestant:
    """`run(seconds)` returns figures with a rate; with fewer `rounds` than the others it skips the later ones."""

    def __init__(self, name, connections, run, seconds, rounds):
        self.name, self.connections, self.run, self.seconds, self.rounds = name, connections, run, seconds, rounds
        self.figures = []


def hold(contestants):
    """Runs all rounds; the results are in the contestants' figures."""
    for turn in range(max(contestant.rounds for contestant in contestants)):
        for contestant in contestants:
            if turn < contestant.rounds:
                contestant.figures.append(contestant.run(contestant.seconds))


def outcome(contestants):
    """Figures by name and connections, each with its median rate and every single one."""
    found = {}
    for contestant in contestants:
        figures = contestant.figures
        medians = {name: median([one[name] for one in figures]) for name in figures[0] if name != "requests"}
        medians["rates"] = [round(one["rate"], 2) for one in figures]
        found.setdefault(contestant.name, {})[str(contestant.connections)] = medians
    return found


def median(values):
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def waiting(milliseconds, connections):
    """Seconds that a request waits with this many concurrent clients if each request uses a processor for so long."""
    return milliseconds / 1000 * max(1, connections / (os.cpu_count() or 1))


def long_enough(seconds, milliseconds, connections):
    """Seconds that a load should last, so that every connection has some answers in it; 20 at most."""
    return max(seconds, min(20, math.ceil(4 * waiting(milliseconds, connections) / seconds) * seconds))
