/** Sets the stored theme before the first paint. */
try {
  const theme = localStorage.getItem("nexus.theme");
  document.documentElement.dataset.theme = theme === "light" || theme === "dark" ? theme : "system";
} catch {
  document.documentElement.dataset.theme = "system";
}
