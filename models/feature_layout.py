"""Which of the linear features that the encoder reads are what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FeatureLayout:
    """Columns of the features, float [cells, features].

    First the scores of the reference's factor model, then a discriminant for each label, then
    both again as the reference has them when its cells are shallow: of very few cells these may
    have fewer factors.
    """

    n_factors: int
    n_labels: int
    n_shallow_factors: int

    @property
    def scores(self) -> slice:
        """Factor scores of whole cells, which the latent is made of."""
        return slice(0, self.n_factors)

    @property
    def discriminants(self) -> slice:
        """Discriminants of whole cells."""
        return slice(self.n_factors, self.n_factors + self.n_labels)

    @property
    def shallow_scores(self) -> slice:
        """Factor scores of shallow cells."""
        return slice(self.discriminants.stop, self.discriminants.stop + self.n_shallow_factors)

    @property
    def shallow_discriminants(self) -> slice:
        """Discriminants of shallow cells."""
        return slice(self.shallow_scores.stop, self.n_features)

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return self.n_factors + self.n_shallow_factors + 2 * self.n_labels
