"""The boto3 layer: the only package that knows boto3. Dataclasses in, dataclasses out."""

from __future__ import annotations
