"""The commented example that `discador init` writes: a campaign to be changed, not read about."""

from __future__ import annotations

from typing import Final

LIST_FILE: Final = "contatos.csv"

#: A list that goes with the campaign. Its one number is invented.
LIST: Final = "contrato;nome;celular;fixo;carteira\nEX-1;Exemplo;48 90000-0123;;consignado\n"

_TEMPLATE: Final = """\
# yaml-language-server: $schema=campaign.schema.json
# Write the schema beside this file with `discador schema > campaign.schema.json`, and your editor
# completes keys and marks mistakes. Check the file with `discador validate`, and see who would be
# called with `discador plan`. Nothing dials before `discador run` or `discador start`.
#
# Phone numbers stand in quotes. Times are written 90s, 15m, 4h or 2d.

campaign: @NAME@
purpose: collection                # sales, collection, service, survey or donation
automation: person                 # who speaks: person, recorded or voicebot
sector: other                      # your own trade: telecom, bank or other

dial_list:
  file: @LIST@               # CSV, TSV, XLSX, XLS or ODS, relative to this file
  id: contrato                     # the column that identifies a contact
  numbers: [celular, fixo]         # columns, in the order in which they are tried
  # default_ddd: "48"              # for numbers that were written without an area code
  duplicates: {id: reject, number: reject}     # or join: one contact with all numbers

call:
  contact_leg: origem              # the contact's phone rings first
  connect_to: "4000"               # who answers for you: a ramal, or a phone number
  bina_origem: "4832830151"        # the number that the contact sees: one of your own
  # bina_destino: "4832830152"     # the number that your side sees
  gravar_audio: false              # where true, tell people so
  detecta_caixa_origem: false      # hang up on voicemail; each one counts as a short call
  tags: "{carteira}"               # your own text on each call; never personal data
  max_ring: 40s
  max_duration: 10m

pacing: {channels: 10, calls_per_second: 1}

calling_hours:                     # a day that is not named is closed
  mon-fri: "09:00-20:00"
  sat: "10:00-13:00"
  timezone: contact                # the clocks of the number's area code
  holidays: closed
  extra_dates: ["2026-12-24", "2026-12-31"]

limits:                            # no rule below dials beyond these
  per_contact: {total: 6, per_day: 2, min_gap: 4h}
  per_number: {per_day: 2, per_month: 15}

suppression:                       # who must not be called, beside `discador suppress`
  # files: nao-ligar.csv           # CSV or XLSX with a column `number`, for this campaign alone
  max_age: 7d                      # of registries that the law requires

schedule:                          # when it may call at all
  timezone: America/Sao_Paulo      # of these times
  # start_at: "2026-12-01 09:00"
  # end_at: "2026-12-18 20:00"     # no attempt after it; who is still due ends as expired
  # repeat: "0 9 * * 1-5"          # for `discador schedule create`: a new run each time

guards:                            # when the run pauses by itself
  # budget: {total_brl: 500, price: {movel: 0.35, fixo: 0.06}}      # reais; a minute
  no_balance: {resume_after: 30m}  # absent: it waits for `discador resume`
  failures: {share: 0.5, window: 50, resume_after: 10m}
  short_calls: {warn: 0.5, pause: 0.7, after: 1000}    # of one caller ID in one day

reconcile: {quiet: 2m, then: requeue}          # an answer that was lost is never guessed

retry:                             # the first rule that matches acts; without one it is final
  - {leg: contact, status: ocupado, after: [15m, 1h, 4h], times: 3}
  - {leg: contact, reasons: [no_answer, unreachable], after: 4h, times: 3, other_daypart: true}
  - {leg: contact, reasons: number_suspect, then: next_number}
  - {leg: contact, reasons: rejected, then: stop}
  - {outcome: voicemail, after: 1d, times: 2, other_daypart: true}
  - {leg: other, after: 2m, times: 5}          # your own side did not answer
"""


def template(name: str = "minha-campanha", list_file: str = LIST_FILE) -> str:
    """Give the text of a campaign file. `name` must be a name that the loader accepts."""
    return _TEMPLATE.replace("@NAME@", name).replace("@LIST@", list_file)
