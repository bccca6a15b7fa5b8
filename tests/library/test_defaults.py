"""What the library does where nothing is said: defaults of its public functions, and numbers that others lean on.

A default that changes changes what users' programs do, so it changes here too, and in the CHANGELOG.
"""

import inspect
import math
import os
from dataclasses import MISSING, fields

import pytest
import torch

from drn_lib import (
    checks,
    conversion,
    costs,
    fast,
    geometry,
    gridding,
    images,
    localization,
    locks,
    network,
    paths,
    probing,
)
from drn_lib.checkpoints import onnx, weights
from drn_lib.datasets import clutter, contract, downloads, pictures, storing
from drn_lib.datasets.synthetic import sets
from drn_lib.evaluation import classification as evaluation
from drn_lib.fast import counts
from drn_lib.localization import cam, equations, photographs, scores
from drn_lib.segmentation import inference
from drn_lib.segmentation import network as segmentation
from drn_lib.segmentation import options as reading
from drn_lib.segmentation import scores as segmentation_scores
from drn_lib.segmentation import training as segmentation_training
from drn_lib.training import batches, classification, loop

FUNCTIONS = [
    (network.create_model, {"num_classes": 1000, "width": 1.0, "dilation_rule": None}),
    (conversion.dilate, {"output_stride": 8, "dilation_rule": "exact"}),
    (conversion.rule_difference, {"output_stride": 8, "size": 256, "seed": 0}),
    (costs.multiply_adds, {"num_classes": 1000}),
    (costs.parameters, {"num_classes": 1000}),
    (geometry.table, {"input_size": 224}),
    (geometry.trace, {"input_size": 224, "channels": 3}),
    (geometry.receptive_field, {"level": None}),
    (geometry.dilated_extent, {"dilation": 1}),
    (geometry.output_size, {"stride": 1, "padding": 0, "dilation": 1}),
    (geometry.live_taps, {"dilation": 1, "padding": None, "stride": 1}),
    (geometry.cell_edges, {"centre": 0.0, "convention": "centre"}),
    (geometry.reach, {"size": None}),
    (gridding.lattice_energy_by_level, {"period": 4, "batch_size": 4}),
    (images.cut_crops, {"crops": 1}),
    (weights.load_weights, {"head": "strict"}),
    (onnx.save_onnx, {"storage": "float16"}),
    (onnx.onnx_model, {"storage": "float16"}),
    (clutter.open_clutter, {"root": None, "seed": 0, "side": 128, "partition": "tiny-imagenet-20"}),
    (sets.SyntheticShapes, {"count": 2000, "size": 64, "seed": 0}),
    (sets.SyntheticStreets, {"count": 500, "size": 128, "seed": 0}),
    (downloads.download, {"checksum": None, "pause": 1.0, "record": True}),
    (evaluation.predict, {"size": None, "batch_size": 100}),
    (evaluation.topk_error, {"k": 1}),
    (evaluation.evaluate_files, {"crops": 1, "workers": 0, "group": None, "progress": False}),
    (equations.boxes, {"options": localization.BoxOptions(), "jump": None}),
    (equations.tight_boxes, {"options": localization.BoxOptions(), "jump": None}),
    (equations.localize, {"classes": None, "options": None, "jump": None}),
    (equations.class_evidence, {"scores": "logits"}),
    (equations.peak_points, {"cell_edges": "tile", "jump": None}),
    (cam.cam_boxes, {"cell_edges": "tile", "jump": None}),
    (scores.gt_known_error, {"level": 0.5}),
    (scores.localization_error, {"k": 1, "level": 0.5}),
    (scores.ceiling, {"cell_edges": "tile"}),
    (scores.best_fixed_box, {"level": 0.5}),
    (
        photographs.find_object,
        {"threshold": -math.inf, "index": None, "size": 224, "crop": "none", "class_from": "whole"} | {"options": None},
    ),
    (segmentation.SegmentationNetwork, {"num_classes": None, "upsampling": "bilinear", "colors": "imagenet"}),
    (segmentation.upsample, {"upsampling": "bilinear"}),
    (segmentation.make_backbone, {"width": 1.0, "weights": None, "dilation_rule": None, "output_stride": None}),
    (segmentation.load_segmentation, {"arch": None, "num_classes": 19}),
    (inference.predict_labels, {"how": reading.Inference()}),
    (inference.predict_probabilities, {"how": reading.Inference()}),
    (segmentation_scores.boundary_band, {"radius": 4}),
    (segmentation_scores.find_specks, {"size": 64}),
    (segmentation_training.train_segmentation, {"val_every": 1, "options": loop.RunOptions()}),
    (classification.train, {"val_set": None, "init": classification.Init(), "options": loop.RunOptions()}),
    (classification.train_from_files, {"val_set": None, "dilation_rule": None, "options": loop.RunOptions()}),
    (fast.accelerate, {"fold": False, "tune": None, "quiet": False, "kernel": True}),
    (counts.products, {"num_classes": 1000}),
]
CLASSES = [
    (localization.BoxOptions, {"scores": "logits", "cell_edges": "tile", "empty": "none", "one_cell": "box"}),
    (
        reading.Inference,
        {"window": None, "overlap": 128, "scales": (1.0,), "mirror": False, "average": "probabilities"},
    ),
    (
        loop.RunOptions,
        {"folder": None, "device": "cpu", "workers": 0, "sync_batch_norm": False, "tensorboard": False}
        | {"full_precision": False, "max_steps": None, "engine": "plain"},
    ),
    (classification.Init, {"dilation_rule": None, "weights": None, "head": "strict", "tail": "fresh"}),
    (batches.BatchPlan, {"rank": 0, "world": 1, "first_step": 0}),
    (geometry.Layer, {"stride": 1, "dilation": 1, "padding": 0, "kind": "convolution"}),
    (geometry.Axis, {"jump": 1, "first": 0, "last": 0}),
]


@pytest.mark.parametrize(("function", "expected"), FUNCTIONS, ids=lambda value: getattr(value, "__qualname__", ""))
def test_defaults_of_a_function(function, expected):
    parameters = inspect.signature(function).parameters.values()
    found = {each.name: each.default for each in parameters if each.default is not each.empty}
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(("kind", "expected"), CLASSES, ids=lambda value: getattr(value, "__name__", ""))
def test_defaults_of_options(kind, expected):
    assert {each.name: each.default for each in fields(kind) if each.default is not MISSING} == expected


def test_numbers_that_stored_results_and_other_programs_lean_on():
    assert locks.TRY_LATER == getattr(os, "EX_TEMPFAIL", 75) and contract.IGNORE == 255
    assert (loop.STATE_EVERY_SECONDS, checks.LAST_SEED) == (30.0, torch.iinfo(torch.uint64).max)
    assert (segmentation.HEAD_STD, probing.TOLERANCE, checks.LISTED) == (0.01, 1e-9, 12)
    assert reading.RELEASED_SCALES == reading.Inference(scales=(1.0, 0.5, 0.75, 1.25, 1.5, 1.75), average="log")
    assert reading.MULTI_SCALE == reading.Inference(scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75), mirror=True)
    assert photographs.MARGIN * 224 == 256 and scores.LEVELS == (0.3, 0.5, 0.7)


def test_unfinished_files_are_old_after_a_day_and_folders_after_two():
    assert (paths.OLD, storing.OLD) == (24 * 60 * 60, 2 * 24 * 60 * 60)


def test_what_is_read_and_fetched_has_bounds():
    assert (images.MOST_PIXELS, images.CROPS) == (4_000_000, (1, 10))
    assert pictures.MOST_READ == 1024 * 1024 * 1024 // 4 // 3  # Pillow's own: a quarter of a GiB at 24 bits a pixel
    assert (downloads.ATTEMPTS, downloads.MOST_MEMBERS, downloads.MOST_GROWTH) == (4, 500_000, 100)
    assert (downloads.CHUNK, downloads.SMALL) == (2**18, 2**26)
