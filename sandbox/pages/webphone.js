// The webphone page of the sandbox: carries messages between the page that embeds it and the
// simulated line. It listens to its embedder alone, and speaks to its embedder's origin alone.
"use strict";

(() => {
  const session = JSON.parse(document.body.dataset.session);
  const functions = new Set(session.functions);
  const embedder = window.parent !== window ? window.parent : window.opener;
  const embedderOrigin = originOfEmbedder();
  const pollEvery = 100; // milliseconds
  let seen = session.seen;
  let queue = Promise.resolve();

  function originOfEmbedder() {
    const ancestors = window.location.ancestorOrigins;
    if (ancestors && ancestors.length > 0) return ancestors[0];
    return document.referrer ? new URL(document.referrer).origin : null;
  }

  function address(name, query) {
    return `/w3/${name}?${new URLSearchParams({ ...session.credentials, ...query })}`;
  }

  function command(message) {
    queue = queue.then(() => fetch(address("comando", {}), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(message),
    })).then(() => look(), () => undefined);
    return queue;
  }

  async function look() {
    const answer = await fetch(address("eventos", { desde: seen }));
    if (!answer.ok) return;
    const { eventos, total } = await answer.json();
    if (total <= seen) return; // another look was faster
    eventos.slice(seen + eventos.length - total).forEach(tell);
    seen = total;
  }

  function tell(event) {
    show(event);
    if (embedder && embedderOrigin) embedder.postMessage(event, embedderOrigin);
    if (event.message === "status" && event.status === "encerrada" && session.fechar_fim) close();
  }

  function show(event) {
    if (event.message === "status") document.getElementById("status").textContent = event.status;
    if (event.message === "status_erro") {
      document.getElementById("status").textContent = event.status_erro;
    }
    const ringing = event.message === "chegandoChamada";
    document.getElementById("chegando").textContent = ringing
      ? `Chegando chamada de ${event.numeroChegando}`
      : "";
  }

  function close() {
    if (session.tipo === "floating") window.close();
    else document.body.hidden = true;
  }

  window.addEventListener("message", (event) => {
    const known = event.data && typeof event.data === "object" && functions.has(event.data.message);
    if (!embedder || event.source !== embedder || event.origin !== embedderOrigin || !known) {
      const ignored = Number(document.body.dataset.ignored || 0) + 1;
      document.body.dataset.ignored = String(ignored);
      return;
    }
    command(event.data);
  });

  document.getElementById("ramal").textContent = session.ramal;
  document.getElementById("discar").addEventListener("submit", (event) => {
    event.preventDefault();
    command({ message: "chamaNumero", numero: document.getElementById("numero").value });
  });
  for (const button of document.querySelectorAll("button[data-message]")) {
    button.addEventListener("click", () => command({ message: button.dataset.message }));
  }

  // An embedded webphone waits for `conectar`; the others connect by themselves.
  if (session.tipo !== "embedded" || session.ligar_para) command({ message: "conectar" });
  if (session.ligar_para) command({ message: "chamaNumero", numero: session.ligar_para });

  (async () => {
    for (;;) {
      try {
        await look();
      } catch {
        // the sandbox is away: look again
      }
      await new Promise((resume) => setTimeout(resume, pollEvery));
    }
  })();
})();
