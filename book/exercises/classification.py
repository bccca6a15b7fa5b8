"""The functions of the exercises of chapter 05: solutions, random inputs, wrong answers. No torch."""

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


def _kth_alone(scores, labels, k):
    kth = np.argsort(-scores, axis=1)[:, k - 1]
    return 100.0 * (1.0 - (kth == np.asarray(labels)).mean())


def _score_inputs(random):
    images, classes = int(random.integers(5, 30)), int(random.integers(4, 9))
    labels = random.integers(0, classes, images)
    return random.normal(size=(images, classes)), labels, int(random.integers(2, 4))


def standard_error(error, images):
    return math.sqrt(error * (100 - error) / images)


def _error_inputs(random):
    return float(random.uniform(5, 95)), int(random.integers(100, 10_000))


WRONG = {
    "_falls_in_every_epoch": lambda epoch, first_rate, every: first_rate / 10 ** (epoch / every),
    "_divided_by_20": lambda epoch, first_rate, every: first_rate / (10 * (epoch // every) or 1),
    "_one_epoch_early": lambda epoch, first_rate, every: first_rate / 10 ** ((epoch + 1) // every),
    "_lowest_scores": lambda scores, labels, k: topk_error(-scores, labels, k),
    "_accuracy": lambda scores, labels, k: 100.0 - topk_error(scores, labels, k),
    "_variance": lambda error, images: error * (100 - error) / images,
    "_images_outside_the_root": lambda error, images: math.sqrt(error * (100 - error)) / images,
    "_of_images_only": lambda error, images: 100 / math.sqrt(images),
}
