"""Dilated Residual Networks (Yu, Koltun, Funkhouser, CVPR 2017): the library behind the book."""

__version__ = "0.1.0"
