// Resolves when the stylesheets that came with this content have loaded, or failed to.
export function stylesheetsLoaded(content) {
  const pending = [...content.querySelectorAll("link[rel=stylesheet]")].filter(({ sheet }) => !sheet);
  return Promise.all(
    pending.map(
      (link) =>
        new Promise((resolve) => {
          link.addEventListener("load", resolve, { once: true });
          link.addEventListener("error", resolve, { once: true });
        }),
    ),
  );
}
