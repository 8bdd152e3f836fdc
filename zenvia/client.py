"""The Voice API as a typed asynchronous client.

One method per operation; what each takes and gives back is named as in the API. Errors are those
of `zenvia.errors`. Nothing is retried here: whoever calls knows whether doing it again is safe.
"""

from __future__ import annotations

from zenvia import operations
from zenvia.chamadas import CallOperations
from zenvia.conferencias import ConferenceOperations
from zenvia.models import TipoWebphone, WebphoneUrl
from zenvia.transport import Timeouts

__all__ = ["Timeouts", "VoiceClient"]


class VoiceClient(CallOperations, ConferenceOperations):
    """A client for one account; open it with `async with`, in the event loop that uses it.

    `number_format` is how the account wants Brazilian numbers written. `connections` caps open
    connections. One client serves any number of concurrent requests.
    """

    async def webphone_url(
        self,
        *,
        ramal: str | None = None,
        id_ramal: int | None = None,
        ligar_para: str | None = None,
        fechar_fim: bool | None = None,
        tipo: TipoWebphone | None = None,
    ) -> WebphoneUrl:
        """Give the address of a ramal's webphone: a secret that opens it without a login.

        Name the ramal by `ramal` (its number) or `id_ramal`. `ligar_para` is dialed when the page
        opens. Raises `NotFound` for an unknown ramal, `ParameterRefused` for `ligar_para`.
        """
        query: dict[str, str] = {}
        if id_ramal is not None:
            query["id_ramal"] = str(id_ramal)
        if ramal is not None:
            query["ramal"] = ramal
        if ligar_para is not None:
            query["ligar_para"] = self._written(ligar_para)
        if fechar_fim is not None:
            query["fechar_fim"] = "true" if fechar_fim else "false"
        if tipo is not None:
            query["tipo"] = tipo
        return await self._object(WebphoneUrl, operations.WEBPHONE_URL, query=query)
