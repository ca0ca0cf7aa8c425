"""The picture for README: the main job, r3map among its peers."""

CAPTION = "1 GiB on S3 to a NumPy sum, in GB/s, at 0 and at 20 ms"
NAMES = {"curl-fresh": "bare libcurl\n(fresh memory)",
         "curl-touched": "bare libcurl\n(warm memory)"}


def sum_speeds(result):
    """GB/s by side."""
    return {name: (1 << 30) / 1e9 / side["metrics"]["seconds"]["median"]
            for name, side in result["sides"].items()}


def draw(near, far, path):
    """`near`, `far`: results of the two rows."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    speeds = [sum_speeds(near), sum_speeds(far)]
    names = sorted(set(speeds[0]) & set(speeds[1]), key=lambda name: -speeds[0][name])
    figure, axes = pyplot.subplots(1, 2, figsize=(8, 0.32 * len(names) + 0.9), sharey=True)
    for axis, speed, title in zip(axes, speeds, ("0 ms away", "20 ms away")):
        kinds = [near["sides"][name]["kind"] for name in names]
        colors = [{"r3map": "#c2410c", "limit": "#d4d4d4"}.get(kind, "#7c93ad") for kind in kinds]
        bars = axis.barh(names, [speed[name] for name in names], color=colors, height=0.7)
        axis.bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
        axis.set_title(title, fontsize=10)
        axis.set_xlim(0, max(speed.values()) * 1.15)
        axis.tick_params(labelsize=9, left=False)
        axis.set_xticks([])
        axis.spines[["top", "right", "bottom"]].set_visible(False)
    axes[0].set_yticks(range(len(names)), [NAMES.get(name, name) for name in names])
    axes[0].invert_yaxis()
    figure.suptitle("1 GiB on MinIO → numpy.sum, from open: GB/s, more is better", fontsize=11)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
