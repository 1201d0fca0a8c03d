// Sets the chosen theme and language before the first paint; everything else is in the module scripts.
(function () {
  try {
    var saved = JSON.parse(localStorage.getItem("chatwright.preferences") || "{}");
    if (saved.theme === "light" || saved.theme === "dark") document.documentElement.dataset.theme = saved.theme;
    if (saved.language) document.documentElement.lang = saved.language;
  } catch (error) {
    console.warn("Preferences could not be read; the defaults are used.", error);
  }
})();
