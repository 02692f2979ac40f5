"""botocore's descriptions of services: where each operation is, what it takes and what it gives."""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path
from typing import Any

from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import JSONFileLoader, Loader, create_loader


class Files(JSONFileLoader):
    """The files of botocore's descriptions; its own ordered mappings cost twice as much."""

    def load_file(self, file_path: str) -> Any:
        """What a description says; None where there is none."""
        for ending, opened in ((".json", open), (".json.gz", gzip.open)):
            if Path(f"{file_path}{ending}").is_file():
                with opened(f"{file_path}{ending}", "rb") as file:
                    return json.loads(file.read())
        return None


class Descriptions(Loader):
    """botocore's descriptions of services, without a look into the folders of all 420 for a file of one of them.

    That takes 10 ms for each kind of file, in each thread that asks before the first one knows.
    """

    FILE_LOADER_CLASS = Files

    @property
    def search_paths(self) -> list[str]:
        """The folders, as a copy: each session of boto3 would add one of its own once more."""
        return list(super().search_paths)

    @functools.cached_property
    def _folders(self) -> list[str]:
        return [one.name for path in map(Path, self.search_paths) if path.is_dir() for one in path.iterdir()]

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - botocore's name for it
        """Every service that has a folder, whichever files are in it."""
        return self._folders

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        """A description. Raises UnknownServiceError where the service has none of that kind."""
        try:
            self.list_api_versions(service_name, type_name)
        except DataNotFoundError:
            raise UnknownServiceError(service_name=service_name, known_service_names="") from None
        return super().load_service_model(service_name, type_name, api_version)


@functools.cache
def descriptions(search_path: str | None) -> Loader:
    """Found and read once for all accounts. search_path: folders of the user's own, as AWS_DATA_PATH has them."""
    return Descriptions(create_loader(search_path).search_paths, include_default_search_paths=False)
