"""What a collection is in Weaviate: properties, both indexes, one tenant a customer.

Names of collections are ours as they are: `CollectionSpec.name` begins with a capital letter, as Weaviate wants it.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import httpx
from weaviate.classes.config import (
    Configure,
    DataType,
    Property,
    StopwordsPreset,
    Tokenization,
    VectorDistances,
    VectorFilterStrategy,
)
from weaviate.exceptions import UnexpectedStatusCodeError

from tasks.errors import ConfigurationError
from tasks.models import CollectionSpec

Compression = Literal["none", "rq", "sq"]

LAYOUT = 1
"""Raise it when collections must be made differently; the old ones are refused with the way out."""

TEXTS = ("document_id", "source", "language", "document_type")
"""Filtered by their whole value, never searched."""

MOST_CONNECTIONS, CONSTRUCTION_WIDTH = 32, 128
"""HNSW's M and efConstruction (Malkov and Yashunin, 2018): Weaviate's own, stated so that an upgrade keeps them."""

SEARCH_WIDTHS = (100, 500, 8)
"""HNSW's ef grows with the limit asked for: at least, at most, times the limit; never below the limit itself."""

EXACT_BELOW = 40_000
"""So few rows that pass a filter are scanned, which is exact; the graph serves where more pass."""

_NAME = re.compile(r"[A-Z][A-Za-z0-9_]{0,254}")
_DESCRIPTION = re.compile(r"expertloop chunks; layout (\d+); dimension (\d+)")


def create_collection(client: Any, spec: CollectionSpec, compression: Compression) -> None:
    """Make it; the client raises when it is there."""
    if not _NAME.fullmatch(spec.name):
        raise ConfigurationError(
            f"{spec.name!r} is no name for a collection in Weaviate",
            advice="names begin with a capital letter; letters, digits and _ follow",
        )
    client.collections.create(
        spec.name,
        description=f"expertloop chunks; layout {LAYOUT}; dimension {spec.dimension}",
        properties=_properties(),
        vector_config=Configure.Vectors.self_provided(vector_index_config=_vector_index(compression)),
        inverted_index_config=Configure.inverted_index(
            bm25_b=0.75,
            bm25_k1=1.2,
            # Keywords arrive analysed, German and English function words treated: nothing is dropped here.
            stopwords_preset=StopwordsPreset.NONE,
        ),
        multi_tenancy_config=Configure.multi_tenancy(
            enabled=True, auto_tenant_creation=True, auto_tenant_activation=True
        ),
    )


def read_dimension(client: Any, name: str) -> int | None:
    """The dimension a collection was made for; None when there is no such collection.

    Raises:
        ConfigurationError: It was not made by this version of expertloop.
    """
    if not _NAME.fullmatch(name):
        return None
    try:
        config = client.collections.use(name).config.get()
    except UnexpectedStatusCodeError as error:
        if error.status_code == httpx.codes.NOT_FOUND:
            return None
        raise
    found = _DESCRIPTION.fullmatch(config.description or "")
    if found is None or int(found[1]) != LAYOUT or not config.multi_tenancy_config.enabled:
        raise ConfigurationError(
            f"collection {name} in Weaviate was not made by this version of expertloop",
            advice="run `expertloop index drop --yes` and then `expertloop index rebuild`",
        )
    return int(found[2])


def _properties() -> list[Property]:
    """Every tokenisation is stated: `field` compares whole values, `whitespace` takes our tokens as they are."""
    exact: dict[str, Any] = {"tokenization": Tokenization.FIELD, "index_filterable": True, "index_searchable": False}
    return [
        Property(name="chunk_id", data_type=DataType.TEXT, index_filterable=False, index_searchable=False),
        *(Property(name=name, data_type=DataType.TEXT, **exact) for name in TEXTS),
        Property(name="readers", data_type=DataType.TEXT_ARRAY, **exact),
        Property(name="readers_key", data_type=DataType.TEXT, **exact),
        Property(name="modified", data_type=DataType.DATE, index_filterable=True, index_range_filters=True),
        Property(
            name="keywords",
            data_type=DataType.TEXT,
            tokenization=Tokenization.WHITESPACE,
            index_filterable=False,
            index_searchable=True,
        ),
    ]


def _vector_index(compression: Compression) -> Any:
    quantizers: dict[Compression, Any] = {
        "none": Configure.VectorIndex.Quantizer.none,  # stated: a server may have another default
        "rq": Configure.VectorIndex.Quantizer.rq,
        "sq": Configure.VectorIndex.Quantizer.sq,
    }
    least, most, factor = SEARCH_WIDTHS
    return Configure.VectorIndex.hnsw(
        # Vectors keep their lengths: the two halves of a question's are weighed by its language (decision 10), and for
        # vectors of length 1 the dot product is the cosine.
        distance_metric=VectorDistances.DOT,
        ef=-1,
        dynamic_ef_min=least,
        dynamic_ef_max=most,
        dynamic_ef_factor=factor,
        ef_construction=CONSTRUCTION_WIDTH,
        max_connections=MOST_CONNECTIONS,
        filter_strategy=VectorFilterStrategy.ACORN,
        flat_search_cutoff=EXACT_BELOW,
        quantizer=quantizers[compression](),
    )
