"""The settings of the page: where it listens and who may use it."""

import ipaddress
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import NoDecode

from facerec_mqtt.settings.groups.base import Group, OptionalPath, OptionalSecret


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class WebSettings(Group):
    """The page: who came, who is here, people and photos, in a browser."""

    enabled: bool = True
    """Serve the page."""
    host: str = Field(default="127.0.0.1", min_length=1)
    """On this address; by default this machine alone is answered. Any other needs a password."""
    port: int = Field(default=8094, ge=1, le=65535)
    """On this port."""
    password: OptionalSecret = None
    """What is asked for before anything is shown; empty for nothing, on 127.0.0.1 alone."""
    password_file: OptionalPath = None
    """File that holds the password instead, alone, as a Docker secret does: /run/secrets/web_password."""
    tls_certificate: OptionalPath = None
    """File with a certificate, to serve the page by https."""
    tls_key: OptionalPath = None
    """File with its key."""
    trusted_proxies: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ()
    """Addresses or networks of proxies, between commas, whose X-Forwarded-For, -Proto, -Host and -Prefix are
    believed."""
    ingress: bool = False
    """Answer Home Assistant's supervisor alone, which asks its users to sign in; the add-on sets this."""

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ipaddress.ip_network(proxy, strict=False)
            except ValueError:
                raise ValueError(
                    f'"{proxy[:50]}" is no address and no network; write 10.0.0.2 or 10.0.0.0/24'
                ) from None
        return proxies

    @model_validator(mode="after")
    def _is_safe(self) -> Self:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key go together; give both or neither")
        if self.enabled and not self.ingress and self.password is None and not is_loopback(self.host):
            raise ValueError(
                f"the page would be open to everybody who reaches {self.host}; set FACEREC_WEB__PASSWORD,"
                " or leave FACEREC_WEB__HOST at 127.0.0.1"
            )
        return self

    @property
    def address(self) -> str:
        """Where the page is found, for people."""
        if self.ingress:
            return "in Home Assistant's sidebar"
        scheme = "http" if self.tls_certificate is None else "https"
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - not to listen on
        host = f"[{host}]" if ":" in host else host
        return f"{scheme}://{host}:{self.port}/"


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches an address to listen on."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
