"""Why a leg ended: `motivo_desconexao` as a code, a label and a class.

The field arrives as `"16. normal"`, as `"indefinido"`, as a label alone, or as null. Rules match
on the code and never on the label: labels have typing errors and differ between documents. The
codes belong to the Q.850 family; the API's list has 46 of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORM = re.compile(r"\s*(\d{1,4})\.\s*(.*?)\s*", re.ASCII | re.DOTALL)


class ReasonClass(StrEnum):
    """What a code says, as far as it can be relied on.

    The grouping is ours: the API documents codes and labels only.
    """

    NORMAL = "normal"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    REJECTED = "rejected"
    NUMBER_SUSPECT = "number_suspect"
    TECHNICAL = "technical"
    ROUTE = "route"
    BARRED = "barred"
    PROTOCOL = "protocol"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DisconnectReason:
    """One reading of `motivo_desconexao`.

    `code` is None when the text carries none. `label` is the text after the code, or the whole
    text; None for null. `raw` is what arrived.
    """

    code: int | None
    label: str | None
    raw: str | None

    @property
    def kind(self) -> ReasonClass:
        """The class of the code; `UNKNOWN` without a code, or for one that is not documented."""
        entry = None if self.code is None else REASONS.get(self.code)
        return ReasonClass.UNKNOWN if entry is None else entry[1]


@lru_cache(maxsize=1_024)
def parse_reason(text: str | None) -> DisconnectReason:
    """Read `motivo_desconexao` in any form seen; never fails."""
    if text is None:
        return DisconnectReason(code=None, label=None, raw=None)
    match = _FORM.fullmatch(text)
    if match is None:
        return DisconnectReason(code=None, label=text.strip() or None, raw=text)
    return DisconnectReason(code=int(match[1]), label=match[2] or None, raw=text)


REASONS: Mapping[int, tuple[str, ReasonClass]] = MappingProxyType(
    {
        1: ("telefone não existe", ReasonClass.NUMBER_SUSPECT),
        2: ("sem rota para a rede de destino", ReasonClass.ROUTE),
        3: ("sem rota para o destino", ReasonClass.ROUTE),
        4: ("prefixo incorreto", ReasonClass.ROUTE),
        6: ("canal inaceitável", ReasonClass.PROTOCOL),
        7: ("chamada sendo entregue em canal ja estabelecido", ReasonClass.PROTOCOL),
        8: ("call peemption", ReasonClass.PROTOCOL),
        14: ("telefone portado para outra operadora", ReasonClass.ROUTE),
        16: ("normal", ReasonClass.NORMAL),
        17: ("ocupado", ReasonClass.BUSY),
        18: ("sem resposta", ReasonClass.NO_ANSWER),
        19: ("sem resposta - mas chamou", ReasonClass.NO_ANSWER),
        20: ("assinante ausente", ReasonClass.UNREACHABLE),
        21: ("chamada rejeitada", ReasonClass.REJECTED),
        22: ("este número mudou", ReasonClass.NUMBER_SUSPECT),
        23: ("redirecionado para novo destino", ReasonClass.ROUTE),
        26: ("atendido em outro lugar", ReasonClass.PROTOCOL),
        27: ("destino não está funcionando", ReasonClass.UNREACHABLE),
        28: ("formato inválido de número", ReasonClass.NUMBER_SUSPECT),
        29: ("rejeitado", ReasonClass.REJECTED),
        30: ("resposta para status enquiry", ReasonClass.PROTOCOL),
        31: ("normal, não especificado", ReasonClass.NORMAL),
        34: ("sem canal disponível", ReasonClass.TECHNICAL),
        41: ("falha temporária", ReasonClass.TECHNICAL),
        42: ("equipamento congestionado", ReasonClass.TECHNICAL),
        44: ("canal requisitado não está disponível", ReasonClass.TECHNICAL),
        50: ("não cadastrado", ReasonClass.BARRED),
        52: ("chamada sainte barrada", ReasonClass.BARRED),
        54: ("chamada entrante barrada", ReasonClass.BARRED),
        57: ("capacidade não autorizada", ReasonClass.BARRED),
        58: ("erro de mídia ou parâmetros incompatíveis", ReasonClass.PROTOCOL),
        65: ("capacidade do portador não implementada", ReasonClass.PROTOCOL),
        66: ("tipo de canal não implementado", ReasonClass.PROTOCOL),
        69: ("não implementado", ReasonClass.PROTOCOL),
        81: ("valor de referência inválido", ReasonClass.PROTOCOL),
        88: ("destino incompatível", ReasonClass.PROTOCOL),
        95: ("mensagem inválida não especificada", ReasonClass.PROTOCOL),
        96: ("informação obrigatória não presente", ReasonClass.PROTOCOL),
        97: ("mensagem não implementada", ReasonClass.PROTOCOL),
        98: (
            "mensagem não compatível com o estado da chamada não existente ou não implementada",
            ReasonClass.PROTOCOL,
        ),
        99: ("elemento não existente ou não implementada", ReasonClass.PROTOCOL),
        100: ("informação inválida no conteúdo dos elementos", ReasonClass.PROTOCOL),
        101: ("mensagem não compatível com o estado da chamada", ReasonClass.PROTOCOL),
        102: ("timeout", ReasonClass.TECHNICAL),
        111: ("erro de protocolo", ReasonClass.TECHNICAL),
        127: ("erro de conectividade", ReasonClass.TECHNICAL),
    }
)
"""The documented codes: label as the API document prints it, and class."""
