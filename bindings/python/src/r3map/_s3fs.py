"""The options of s3fs, as r3map's S3 backend calls them.

Three kinds: those that mean something to r3map are translated, those that are about s3fs's own
workings are left out, and those that would change what is read, or as whom, are refused by name.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ._arguments import CLIENT_KWARGS, verified, wrong_type
from ._errors import InvalidError

# About s3fs's requests and its writing; `use_ssl` only completes an endpoint.
_LEFT_OUT = frozenset({"use_ssl", "version_aware", "fixed_upload_size", "local_expiry_check"})
_NESTED = frozenset({"client_kwargs", "config_kwargs", "s3_additional_kwargs"})
_REFUSED = {"session": "r3map has none of aiobotocore's: give profile, or key, secret and token"}

_CLIENT_LEFT_OUT = frozenset({"api_version", "aws_account_id", "use_ssl"})

_CONFIG_LEFT_OUT = frozenset({
    "connect_timeout", "read_timeout", "max_pool_connections", "retries", "user_agent",
    "user_agent_extra", "user_agent_appid", "tcp_keepalive", "parameter_validation",
    "inject_host_prefix", "disable_request_compression", "request_min_compression_size_bytes",
    "request_checksum_calculation", "response_checksum_validation", "sigv4a_signing_region_set",
    "client_context_params", "connector_args", "http_session_cls", "defaults_mode",
    "account_id_endpoint_mode", "auth_scheme_preference"})
_CONFIG_S3_LEFT_OUT = frozenset({"payload_signing_enabled", "us_east_1_regional_endpoint"})
_BY_ENDPOINT = "name that endpoint with endpoint_url"
_CONFIG_REFUSED = {
    "client_cert": "", "proxies_config": "",
    "use_dualstack_endpoint": _BY_ENDPOINT, "use_fips_endpoint": _BY_ENDPOINT,
    "use_accelerate_endpoint": _BY_ENDPOINT, "use_arn_region": "",
    "s3_disable_express_session_auth": "",
    "ignore_configured_endpoint_urls":
        "set AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true in the environment"}

# Of what S3's GetObject takes; all else in s3_additional_kwargs is for listing and writing.
_GET_REFUSED = frozenset({"ExpectedBucketOwner", "IfMatch", "IfNoneMatch", "IfModifiedSince",
                          "IfUnmodifiedSince", "PartNumber", "Range"})


def translated(options: Mapping[str, Any]) -> dict[str, Any]:
    """What is not s3fs's stays as it is: r3map checks it."""
    given = {name: value for name, value in options.items() if value is not None}
    client = _mapping(given, "client_kwargs")
    config = _mapping(given, "config_kwargs")
    additional = _mapping(given, "s3_additional_kwargs")
    use_ssl = client.get("use_ssl", given.get("use_ssl", True))
    for name, why in _REFUSED.items():
        if name in given:
            raise _refusal(name, why)
    result = {name: value for name, value in given.items() if name not in _LEFT_OUT | _NESTED}
    for other, name in (("username", "key"), ("password", "secret"), ("region_name", "region")):
        if other in result:
            if result.get(name):
                raise InvalidError(f"either {name} or {other}, not both")
            result[name] = result.pop(other)
    for more in (_of_client(client), _of_config(config), _of_requests(additional)):
        for name, value in more.items():
            result.setdefault(name, value)
    endpoint = result.get("endpoint_url")
    if isinstance(endpoint, str) and endpoint and "://" not in endpoint:
        endpoint = result["endpoint_url"] = f"{'https' if use_ssl else 'http'}://{endpoint}"
    if proxies := config.get("proxies"):
        scheme = "http" if str(endpoint or "").lower().startswith("http:") else "https"
        if proxy := proxies.get(scheme):
            result.setdefault("proxy", proxy if "://" in proxy else f"http://{proxy}")
    return result


def with_scheme(options: dict[str, Any]) -> dict[str, Any]:
    """s3fs's own options, completed where it takes an endpoint only as a URL."""
    endpoint = options.get("endpoint_url")
    if not endpoint or "://" in endpoint:
        return options
    return options | {"endpoint_url": translated(options)["endpoint_url"]}


def _of_client(client: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in client.items():
        if name in CLIENT_KWARGS:
            result[CLIENT_KWARGS[name]] = value
        elif name == "verify":
            result.update(verified(value))
        elif name not in _CLIENT_LEFT_OUT:
            raise _refusal(f"client_kwargs: {name}")
    return result


def _of_config(config: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in config.items():
        if name == "region_name":
            result["region"] = value
        elif name == "signature_version":
            # botocore's UNSIGNED is an object of its own.
            if "unsigned" in repr(value).lower():
                result["anon"] = True
            elif value not in ("s3v4", "v4"):
                raise _refusal(f"config_kwargs: signature_version={value!r}",
                               "requests are signed with version 4")
        elif name == "s3":
            for inner, setting in _mapping(config, "s3").items():
                if inner == "addressing_style":
                    result["addressing_style"] = setting
                elif inner not in _CONFIG_S3_LEFT_OUT and setting:
                    raise _refusal(f"config_kwargs: s3: {inner}", _CONFIG_REFUSED.get(inner, ""))
        elif name not in _CONFIG_LEFT_OUT and name != "proxies" and value:
            raise _refusal(f"config_kwargs: {name}", _CONFIG_REFUSED.get(name, ""))
    return result


def _of_requests(additional: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in additional.items():
        if name in _GET_REFUSED:
            raise _refusal(f"s3_additional_kwargs: {name}")
        if name == "VersionId":
            result["version_id"] = value
        elif name == "RequestPayer":
            result["requester_pays"] = value == "requester"
        elif name == "SSECustomerAlgorithm" and value != "AES256":
            raise _refusal(f"s3_additional_kwargs: {name}={value!r}", "only AES256")
        elif name == "SSECustomerKey":
            raw = value.encode() if isinstance(value, str) else bytes(value)
            # botocore takes it for encoded where its sum is given as well.
            encoded = raw if "SSECustomerKeyMD5" in additional else base64.b64encode(raw)
            result["sse_customer_key"] = encoded.decode()
    return result


def _mapping(options: dict[str, Any], name: str) -> dict[str, Any]:
    """An option that holds others, but for those that are None."""
    value = options.get(name, {})
    if not isinstance(value, Mapping):
        raise wrong_type(name, "a dict", value)
    return {inner: setting for inner, setting in value.items() if setting is not None}


def _refusal(name: str, why: str = "") -> InvalidError:
    return InvalidError(f"s3fs's option {name} is none that r3map can keep"
                        + (f": {why}" if why else ""))
