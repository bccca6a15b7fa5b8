"""The exercises of chapter 05: schedules, chance, controls, costs. No torch."""

from __future__ import annotations

import math

import numpy as np

from book.exercises.exercise import Exercise, Mistake


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


EXERCISES = (
    Exercise(
        name="steps-of-the-paper",
        chapter=5,
        task="ImageNet has 1,281,167 training images. How many optimizer steps are 120 epochs with batches of 256, "
        "where the last batch of an epoch may be smaller?",
        solution=600_600,
        explanation="An epoch is 1,281,167 / 256 = 5,004.6, so 5,005 steps; 120 of them are 600,600.",
        hints=("Steps of one epoch first; a started batch is a step.", "One epoch has 5,005 steps."),
        mistakes=(
            Mistake(600_480, "That drops the last, smaller batch of every epoch."),
            Mistake(600_547, "Round up in every epoch, not once at the end: an epoch ends with a smaller batch."),
            Mistake(5_005, "That is one epoch."),
        ),
    ),
    Exercise(
        name="step-schedule",
        chapter=5,
        task="Write rate(epoch, first_rate, every): the learning rate of an epoch, counted from 0, that starts at "
        "first_rate and is divided by 10 after every so many epochs.",
        solution=rate,
        explanation="The number of divisions so far is epoch // every.",
        hints=("How many times has the rate been divided before this epoch?", "Whole division tells: epoch // every."),
        mistakes=(
            Mistake(
                lambda epoch, first_rate, every: first_rate / 10 ** (epoch / every),
                "That falls a little in every epoch; the steps come at whole multiples alone.",
            ),
            Mistake(
                lambda epoch, first_rate, every: first_rate / (10 * (epoch // every) or 1),
                "Two divisions by 10 are a division by 100, not by 20.",
            ),
            Mistake(
                lambda epoch, first_rate, every: first_rate / 10 ** ((epoch + 1) // every),
                "Epochs count from 0: the first division comes with epoch number `every`, one later.",
            ),
        ),
        inputs=_rate_inputs,
        tolerance=1e-9,
    ),
    Exercise(
        name="top-k-error",
        chapter=5,
        task="Write topk_error(scores, labels, k): the share of images, in percent, whose true class is not among "
        "the k highest scores. scores is (images, classes), labels (images,).",
        solution=topk_error,
        explanation="Sort each row downwards, keep k classes, ask whether the label is among them; one minus the mean.",
        hints=(
            "np.argsort sorts upwards; the best k classes of a row are the first k of argsort(-scores).",
            "Compare these k classes with the label of their row, then take any(axis=1).",
        ),
        mistakes=(
            Mistake(_accuracy, "That is how often it is right; the error is the rest."),
            Mistake(_lowest_scores, "Those are the k lowest scores: argsort goes upwards."),
            Mistake(_kth_alone, "The label may be any of the k best, not the k-th alone."),
        ),
        inputs=_score_inputs,
    ),
    Exercise(
        name="chance-in-an-error",
        chapter=5,
        task="Write standard_error(error, images): the standard error, in points, of an error in percent that was "
        "measured on so many independent images.",
        solution=standard_error,
        explanation="A count of independent yes-or-no outcomes is binomial: sqrt(p (1 - p) / n), here in percent. "
        "At 40 % and 3,000 images it is 0.9 points, and that is before another seed changes anything.",
        hints=("Each image is right or wrong: a binomial count.", "Of a share p among n it is sqrt(p (1 - p) / n)."),
        mistakes=(
            Mistake(
                lambda error, images: error * (100 - error) / images,
                "That is the variance; the standard error is its square root.",
            ),
            Mistake(
                lambda error, images: math.sqrt(error * (100 - error)) / images,
                "The number of images belongs under the root: four times the images halve the error.",
            ),
            Mistake(
                lambda error, images: 100 / math.sqrt(images),
                "It depends on the error too: an error of 0 or 100 % leaves nothing to chance.",
            ),
        ),
        inputs=_error_inputs,
    ),
    Exercise(
        name="which-control",
        chapter=5,
        task="DRN-A-18 classifies better than ResNet-18. Someone says: that is only because it computes more. Which "
        "further network answers that?",
        solution="a ResNet-18 widened until it costs as many multiply-adds",
        choices=(
            "a ResNet-18 widened until it costs as many multiply-adds",
            "the trained ResNet-18, dilated afterwards",
            "DRN-A-18 with another seed",
            "a deeper DRN-A",
        ),
        explanation="It spends the same computation in another way. The ResNet that is dilated afterwards answers "
        "another question: whether the gain comes from training with dilation.",
        hints=(
            "The objection is about cost. Hold the cost fixed and change what it is spent on.",
            "Which of the four costs what DRN-A-18 costs, without dilation?",
        ),
        mistakes=(
            Mistake(
                "the trained ResNet-18, dilated afterwards",
                "It costs as much, but computes the same function at more places: it tells what training with "
                "dilation is worth.",
            ),
            Mistake("DRN-A-18 with another seed", "That tells how much chance there is, at the same cost."),
            Mistake("a deeper DRN-A", "That costs still more."),
        ),
    ),
)
