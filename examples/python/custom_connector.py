"""A secret store of your own: one hook.

python custom_connector.py FOLDER NAME
"""

import sys
from pathlib import Path

from modelmesh.cdk import BaseSecretStore, BaseSecretStoreConfig


class MountedSecrets(BaseSecretStore):
    """A folder in which every file is one secret, as Docker and Kubernetes mount them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(BaseSecretStoreConfig())
        self.folder = folder

    def _resolve(self, name: str) -> str | None:
        if not self.folder.is_dir():
            # An outage, not a missing secret: whoever waits for the mount may go on with the value of before.
            raise ConnectionError("the secrets are not mounted")
        file = self.folder / name
        return file.read_text(encoding="utf-8") if file.parent == self.folder and file.is_file() else None


if __name__ == "__main__":
    folder, name = sys.argv[1:]
    store = MountedSecrets(Path(folder))
    print(f"{name}: {len(store.get(name))} characters")
