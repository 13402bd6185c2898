"""Tools whose parameters are Pydantic models, one inside the other."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field


class Point(BaseModel):
    x: float
    y: float


class Circle(BaseModel):
    kind: Literal["circle"]
    centre: Point


class Box(BaseModel):
    kind: Literal["box"]
    corners: tuple[Point, Point]


class Named(BaseModel):
    name: str = Field(alias="Name", max_length=20)


class Order(Named):
    shapes: list[Annotated[Circle | Box, Field(discriminator="kind")]]
    by_name: dict[str, Point] = {}
    parent: Order | None = None


def place(order: Order) -> str:
    """Places an order."""
    return f"{order.name}, a {type(order.shapes[0]).__name__} in a {type(order).__name__}"
