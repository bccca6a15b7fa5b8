"""The functions of the exercises of chapter 05: solutions, known mistakes, random inputs. No torch."""

from __future__ import annotations

import math

import numpy as np


def rate(epoch, first_rate, every):
    return first_rate / 10 ** (epoch // every)


def _rate_inputs(random):
    every = int(random.choice([20, 30, 40]))
    epoch = every * int(random.integers(0, 4)) + int(random.integers(-2, 3))  # near the steps, where mistakes show
    return max(0, epoch), float(random.choice([0.1, 0.05, 0.4])), every


def topk_error(scores, labels, k):
    best = np.argsort(-scores, axis=1)[:, :k]
    found = (best == np.asarray(labels)[:, None]).any(axis=1)
    return 100.0 * (1.0 - found.mean())


def _lowest_scores(scores, labels, k):
    return topk_error(-scores, labels, k)


def _accuracy(scores, labels, k):
    return 100.0 - topk_error(scores, labels, k)


def _kth_alone(scores, labels, k):
    kth = np.argsort(-scores, axis=1)[:, k - 1]
    return 100.0 * (1.0 - (kth == np.asarray(labels)).mean())


def _score_inputs(random):
    images, classes = int(random.integers(5, 30)), int(random.integers(4, 9))
    labels = random.integers(0, classes, images)
    return random.normal(size=(images, classes)), labels, int(random.integers(2, 4))


def _error_inputs(random):
    return float(random.uniform(5, 95)), int(random.integers(100, 10_000))


def standard_error(error, images):
    return math.sqrt(error * (100 - error) / images)


def _falls_in_every_epoch(epoch, first_rate, every):
    return first_rate / 10 ** (epoch / every)


def _divided_by_20(epoch, first_rate, every):
    return first_rate / (10 * (epoch // every) or 1)


def _one_epoch_early(epoch, first_rate, every):
    return first_rate / 10 ** ((epoch + 1) // every)


def _variance(error, images):
    return error * (100 - error) / images


def _images_outside_the_root(error, images):
    return math.sqrt(error * (100 - error)) / images


def _of_images_only(error, images):
    return 100 / math.sqrt(images)
