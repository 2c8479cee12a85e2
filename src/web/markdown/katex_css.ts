/**
 * This is the place of KaTeX's styles. The build puts them here as text, with the addresses of
 * their fonts, so that they come with the part of the page that needs them.
 */
export const css: string = "";
