/**
 * A placeholder for KaTeX's styles. The build replaces it with the styles as text and the URLs of
 * their fonts.
 */
export const css: string = "";
