"use strict";
// Conveniences only: the page says everything without this script.
(() => {
  const steps = () => document.querySelectorAll("details.step");

  const openTarget = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) {
      target.open = true;
      target.scrollIntoView({ block: "start" });
    }
  };
  addEventListener("hashchange", openTarget);
  openTarget();

  const button = (place, text, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", () => act(made));
    place.append(made);
  };

  const tools = document.getElementById("step-tools");
  if (tools && steps().length > 0) {
    button(tools, "Open all", () => steps().forEach((step) => { step.open = true; }));
    button(tools, "Close all", () => steps().forEach((step) => { step.open = false; }));
  }

  const best = document.getElementById("best-script");
  const place = document.getElementById("best-tools");
  if (best && place && navigator.clipboard) {
    button(place, "Copy", async (made) => {
      await navigator.clipboard.writeText(best.textContent);
      made.textContent = "Copied";
      setTimeout(() => { made.textContent = "Copy"; }, 1500);
    });
  }
})();
