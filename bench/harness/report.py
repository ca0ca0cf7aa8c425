"""bench/RESULTS.md from the rows' JSON files."""

import json

from harness import paths

FORMAT = 3  # of the JSON files
BUSY = 0.1  # what others may use of the processors
UNITS = {"seconds": ("s", 3), "latency_ms": ("ms", 2), "cpu_per_gib": ("CPU s/GiB", 2),
         "bookkeeping_mib": ("MiB", 2), "peak_of_budget": ("", 3)}

INTRODUCTION = """\
Written by `bench/run --publish`; [README.md](README.md) tells what is measured and how.

A figure that is to be *at least* so much says how many times as fast as the other r3map is; one
that is to be *at most* so much is r3map's time, CPU or memory in units of the other's, or an
amount, where there is no other. It is the median of all runs' ratios to r3map's runs before and
after them; its range stands in brackets. "Best peer" is the one with the best median of those that
were there.
"""


def quantity(value, metric):
    unit, digits = UNITS.get(metric, ("", 2))
    return f"{value:.{digits}f} {unit}".rstrip()


def spread(told, digits=2):
    return f"{told['median']:.{digits}f} ({told['min']:.{digits}f}–{told['max']:.{digits}f})"


def figure_text(figure):
    if figure["value"] is None:
        return "not measured"
    # One that misses by less than two digits show must not look as if it did not.
    missed = figure["met"] is False
    looks_met = missed and f"{figure['value']:.2f}" == f"{float(figure['reach'].split()[1]):.2f}"
    return spread(figure["spread"], 3 if looks_met else 2)


def reached(figure):
    return {True: "yes", False: "**no**", None: "–"}[figure["met"]]


def figures_table(results):
    lines = ["| what | against | reach | measured | reached | command |",
             "|---|---|---|---|---|---|"]
    for result in results:
        for figure in result["figures"]:
            lines.append("| " + " | ".join([
                figure["what"], figure["against"] or "–", figure["reach"], figure_text(figure),
                reached(figure), f"`{result['command']}`"]) + " |")
    return lines


def shortfalls(results):
    lines = [f"- `{result['row']}`, {figure['against'] or figure['what']}: {figure['shortfall']}"
             for result in results for figure in result["figures"]
             if figure["met"] is False and figure["shortfall"]]
    return ["## What is not reached, and why", "", *lines, ""] if lines else []


def sides_table(result):
    metrics = [key for key in UNITS
               if any(key in side["metrics"] for side in result["sides"].values())]
    heads = [f"{UNITS[key][0] or key.replace('_', ' ')}: median (range), quartiles"
             for key in metrics]
    lines = [f"### {result['row']}", "", f"{result['what']}.", "",
             "| | " + " | ".join([*heads, "r3map is so many times as fast"]) + " |",
             "|---|" + "---|" * (len(metrics) + 1)]
    for name, side in result["sides"].items():
        cells = []
        for key in metrics:
            told, digits = side["metrics"].get(key), UNITS[key][1]
            cells.append("–" if told is None else f"{spread(told, digits)}, " + "–".join(
                f"{value:.{digits}f}" for value in told["quartiles"]))
        speed = spread(side["speed"]) if "speed" in side else "–"
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {speed} |")
    if result["skipped"]:
        lines += ["", "Not here: " + "; ".join(
            f"{name} ({why})" for name, why in result["skipped"].items()) + "."]
    return [*lines, ""]


def measured_on(results):
    """One paragraph for each machine, set of versions and day."""
    groups = {}
    for result in results:
        key = json.dumps([result["machine"], result["when"], result["runs"]])
        groups.setdefault(key, []).append(result)
    lines = ["## Measured on", ""]
    for group in groups.values():
        about, first = group[0]["machine"], group[0]
        which = "All rows" if len(groups) == 1 else ", ".join(row["row"] for row in group)
        versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
        lines += [f"{which}: {first['when']}, {first['runs']} runs of each side (short ones more). "
                  f"{about['cpu']}, {about['cores']} cores, {about['memory']}, Linux "
                  f"{about['kernel']}. {versions}.", ""]
    busy = {row["row"]: row["busy_before"] for row in results if row["busy_before"] > BUSY}
    if busy:
        lines += ["**Not to be relied on**, the machine was busy: " + ", ".join(
            f"{name} ({share:.0%} by others)" for name, share in busy.items()) + ".", ""]
    return lines


def results_of(rows, folder=paths.OUT):
    """What the JSON files tell, of this run and earlier ones."""
    files = [folder / f"{row.name}.json" for row in rows]
    told = [json.loads(file.read_text()) for file in files if file.exists()]
    return [result for result in told if result.get("format") == FORMAT]


def text(results, picture):
    lines = ["# Results", "", INTRODUCTION]
    if picture:
        lines += [f"![{picture[1]}]({picture[0]})", ""]
    lines += [*figures_table(results), "", *shortfalls(results), *measured_on(results),
              "## All sides", ""]
    for result in results:
        lines += sides_table(result)
    return "\n".join(lines).rstrip() + "\n"
