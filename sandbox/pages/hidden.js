// The hidden webphone: this script makes the frame and the global that the page speaks to.
"use strict";

{
  const container = document.getElementById("widget-evoline-api-container") || document.body;
  const frame = document.createElement("iframe");
  frame.allow = "microphone";
  frame.style.display = "none";
  frame.src = "{{frame}}";
  container.appendChild(frame);
  window.webphone = frame;
}
