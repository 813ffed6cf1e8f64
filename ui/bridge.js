// Mounted again at each change of its data, and taken away by the function that it returns.
export default function bridge({ data, setTriggerValue }) {
  const largest = 32 * 1024 * 1024; // the service's limit of a body
  const patience = 15000; // ms between two renewals of links: a store that is away must not cause a storm
  document.documentElement.lang = "en";
  document.title = data.title;

  // A plain click on one of the page's own links changes the search without leaving this visit: its photo stays.
  const onClick = (event) => {
    const link = event.target.closest?.('a[data-go]');
    const plain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    if (!link || !plain) return;
    event.preventDefault();
    setTriggerValue("go", link.getAttribute("href"));
    if (link.dataset.go === "top") window.requestAnimationFrame(() => document.querySelector("h1")?.scrollIntoView());
  };

  const onPaste = (event) => {
    const photo = [...(event.clipboardData?.files ?? [])].find((file) => file.type.startsWith("image/"));
    if (!photo || photo.size > largest) return;
    event.preventDefault();
    const reader = new FileReader();
    reader.onload = () => setTriggerValue("pasted", String(reader.result).split(",", 2)[1]);
    reader.readAsDataURL(photo);
  };

  // Links to photos are valid for a while. One that fails to load asks for a new set; so does coming back to the page.
  // A link may still be the same, then, and the store was away: photos that failed are asked for again, too.
  const again = () => {
    window.clearTimeout(waiting);
    waiting = undefined;
    for (const image of document.querySelectorAll("img[data-failed]")) image.src = image.src;
  };
  for (const image of document.querySelectorAll("[data-photos] img")) {
    if (image.complete && !image.naturalWidth) image.dataset.failed = "yes"; // before anybody listened
  }
  let waiting = document.querySelector("img[data-failed]") ? window.setTimeout(again, patience) : undefined;
  const onError = (event) => {
    const image = event.target;
    if (!(image instanceof HTMLImageElement) || !image.closest("[data-photos]")) return;
    image.dataset.failed = "yes";
    waiting ??= window.setTimeout(again, patience);
    renew();
  };
  const onLoad = (event) => {
    if (event.target instanceof HTMLImageElement) delete event.target.dataset.failed;
  };
  const renew = () => {
    const now = Date.now();
    if (now - (window.fashionRenewed ?? 0) < patience) return;
    window.fashionRenewed = now;
    setTriggerValue("expired", now);
  };
  const onSeen = () => {
    if (document.visibilityState !== "visible" || !document.querySelector("img[data-failed]")) return;
    again();
    renew();
  };

  document.addEventListener("click", onClick);
  document.addEventListener("paste", onPaste);
  document.addEventListener("error", onError, true);
  document.addEventListener("load", onLoad, true);
  document.addEventListener("visibilitychange", onSeen);
  document.documentElement.dataset.bridge = "open";
  return () => {
    delete document.documentElement.dataset.bridge;
    window.clearTimeout(waiting);
    document.removeEventListener("click", onClick);
    document.removeEventListener("paste", onPaste);
    document.removeEventListener("error", onError, true);
    document.removeEventListener("load", onLoad, true);
    document.removeEventListener("visibilitychange", onSeen);
  };
}
