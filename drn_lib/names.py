"""Names as a reader meets them in text, tables and figures."""

from __future__ import annotations

# Networks that are no network of the paper, and variants of a study that differ by more than their network.
_SPECIAL = {
    "efficientnet_lite0": "EfficientNet-Lite0",
    "ladder_a_22": "A-22",
    "ladder_a_22_falling": "A-22, falling dilation",
    "ladder_a_22_unlinked": "A-22, falling, no residuals",
    "ladder_a_22_rising": "A-22, rising, no residuals",
    "ladder_a_22_undilated": "A-22, tail undilated, no residuals",
    "ladder_a_22_blurpool": "A-22, BlurPool",
    "ladder_a_22_hdc": "A-22, hybrid dilations",
    "ladder_a_22_shared": "A-22, smoothing before dilation",
    "ladder_a_22_shared_end": "A-22, smoothing at the end",
    "ladder_a_22_fixed_blur": "A-22, fixed blur at the end",
    "ladder_front_22": "front only, 22",
    "ladder_c_26_constant": "C-26, tail at dilation 4",
    "resnet_18_wide": "ResNet-18, wider",
    "resnet_18_large": "ResNet-18, larger images",
    "resnet_18_dilated": "ResNet-18 dilated, trained on",
    "resnet_18_enlarged": "ResNet-18, larger frames",
    "drn_a_18_levels": "DRN-A-18, rule levels",
    "drn_a_18_released": "DRN-A-18, rule released",
}
_ENDS = {
    "_128px": " at 128 px",
    "_scratch": ", from scratch",
    "_smooth": ", blurred",
    "_mean": ", mean of 4x4 cells",
    "_identity": ", tail from identity",
    "_fading": ", links fading out",
}


def display_name(name: str) -> str:
    """A network's or variant's name as printed: "drn_a_18" is DRN-A-18, "resnet_18_128px" ResNet-18 at 128 px."""
    if name in _SPECIAL:
        return _SPECIAL[name]
    for end, words in _ENDS.items():
        if name.endswith(end):
            return f"{display_name(name.removesuffix(end))}{words}"
    network, _, change = name.partition("_lr_")
    if change:
        return f"{display_name(network)}, rate {change.replace('_', '.')}"
    network, _, change = name.partition("_epochs_")
    if change:
        return f"{display_name(network)}, {change} epochs"
    return name.upper().replace("_", "-").replace("RESNET", "ResNet")
