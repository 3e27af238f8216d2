"""The atlases that come with the package."""
