"""data/results/bench.json as text. No torch."""

from __future__ import annotations

from book.studies.bench.stored import limit
from drn_lib.names import display_name

_COLUMNS = f"{'':26}{'times as fast':>14}{'quartiles':>14}{'fastest call':>14}{'ms':>9}{'difference':>12}"


def text(found: dict) -> str:
    """All tables, one after the other."""
    lines = [f"{key}: {value}" for key, value in {**found["machine"], **found["versions"]}.items()]
    labels = found["contenders"]
    for entry in found["forward"]:
        title = f"{display_name(entry['network'])}, {entry['height']} x {entry['width']} px, {_how(entry)}"
        lines += ["", title, _COLUMNS, *_rows(entry, labels)]
    if found["scaling"]:
        lines += ["", *_growth(found["scaling"])]
    for entry in found["training"]:
        size = f"{entry['images']} images of {entry['side']} px, width {entry['width_factor']:g}"
        lines += ["", f"Training step of {display_name(entry['network'])}, {size}, {_how(entry)}", _COLUMNS]
        lines += _rows(entry, labels)
    for entry in found["memory"]:
        size = f"{display_name(entry['network'])}, {entry['height']} x {entry['width']} px"
        lines += ["", f"Most memory of a process, {size}, MB"]
        for name, row in entry["rows"].items():
            said = f"{row['peak_mb']:14.0f}" if "peak_mb" in row else f"    {row['missing']}"
            lines.append(f"{labels.get(name, 'torch and the weights'):26}{said}")
    return "\n".join(lines)


def _growth(entries: list[dict]) -> list[str]:
    """How products and time grow with the image, for the released code and for the kernel, and the ratio of both."""
    first, clock = entries[0], entries[0]["clock"]
    sides = (("direct", "released"), ("winograd", "kernel"))
    lines = [
        f"{display_name(first['network'])} as images grow, {clock} time of one thread, times that of the first image"
    ]
    heads = "".join(f"{'products':>20}{name + ' ms':>14}{'times':>8}" for _, name in sides)
    lines.append(f"{'px':>6}{heads}{'times as fast':>16}")
    for entry in entries:
        line = f"{entry['height']:6}"
        for count, name in sides:
            line += f"{entry['products'][count] / first['products'][count]:20.1f}"
            now, before = (one["rows"][name].get(f"{clock}_ms") for one in (entry, first))
            line += f"{now:14.0f}{now / before:8.1f}" if now and before else f"{'missing':>22}"
        ratio = entry["rows"]["kernel"].get("ratio")
        lines.append(line + (f"{ratio:16.2f}" if ratio else ""))
    return lines


def _how(entry: dict) -> str:
    threads = f"{entry['threads']} thread{'s' if entry['threads'] > 1 else ''}, {entry['clock']} time"
    how = f"{threads}, {entry['rounds']} rounds, load {entry['load'][0]:.1f} to {entry['load'][1]:.1f}"
    return f"{how}, products allow {limit(entry):.2f}"


def _rows(entry: dict, labels: dict[str, str]) -> list[str]:
    lines = []
    for name, row in entry["rows"].items():
        line = f"{labels[name]:26}"
        if "missing" in row:
            lines.append(f"{line}    {row['missing']}")
            continue
        low, high = row["quartiles"]
        line += f"{row['ratio']:14.2f}{f'{low:.2f} to {high:.2f}':>14}{row['ratio_of_fastest']:14.2f}"
        line += f"{row[entry['clock'] + '_ms']:9.1f}"
        lines.append(line + (f"{row['difference']:12.1e}" if "difference" in row else ""))
    return lines
