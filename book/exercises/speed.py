"""The functions of the exercises of chapter 08: solutions, random inputs, wrong answers. No torch."""


def products(side, dilation):
    count = 0
    for i in range(dilation):
        for j in range(dilation):
            rows = len(range(i, side, dilation))
            columns = len(range(j, side, dilation))
            count += 36 * -(-rows // 4) * -(-columns // 4)
    return count


def _products_inputs(random):
    return int(random.integers(9, 120)), int(random.choice([1, 2, 4]))


def overall(parts):
    before = sum(count for count, _ in parts)
    return before / sum(count / factor for count, factor in parts)


def _overall_inputs(random):
    kinds = int(random.integers(2, 5))
    return ([(int(random.integers(1, 60)), float(random.choice([1, 1.5, 2.25, 4]))) for _ in range(kinds)],)


WRONG = {
    "_directly": lambda side, dilation: 9 * side**2,
    "_one_map": lambda side, dilation: 36 * (-(-side // 4)) ** 2,
    "_no_part_tiles": lambda side, dilation: 36 * dilation**2 * (side // dilation // 4) ** 2,
    "_exact_quarter": lambda side, dilation: 36 * side**2 / 16,
    "_mean_factor": lambda parts: sum(factor for _, factor in parts) / len(parts),
    "_weighted_mean": lambda parts: sum(c * f for c, f in parts) / sum(c for c, _ in parts),
    "_upside_down": lambda parts: sum(c / f for c, f in parts) / sum(c for c, _ in parts),
}
