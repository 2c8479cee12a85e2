/** This is the one thing that must happen before the first paint: the theme that was chosen. */
try {
  const theme = localStorage.getItem("nexus.theme");
  document.documentElement.dataset.theme = theme === "light" || theme === "dark" ? theme : "system";
} catch {
  document.documentElement.dataset.theme = "system";
}
