export type Language = { lang: string; dir: 'ltr' | 'rtl' }

/** The canonical tag (RFC 5646 4.5); undefined for what is none. */
function canonicalTag(text: string): string | undefined {
  try {
    return Intl.getCanonicalLocales(text.replaceAll('_', '-'))[0]
  } catch {
    return undefined
  }
}

/** Ever shorter ranges until one is offered (RFC 4647 3.4); ranges are compared without regard to case. */
export function lookUp<T>(tag: string, offered: ReadonlyMap<string, T>): T | undefined {
  for (let range = tag.toLowerCase(); range !== ''; range = shorten(range)) {
    const found = offered.get(range)
    if (found !== undefined) return found
  }
  return undefined
}

/** Without its last subtag, nor the single letter that this may leave at the end. */
function shorten(range: string): string {
  return range.replace(/(^|-)[^-]*$/, '').replace(/-[^-]$/, '')
}

/** Canonical tag and direction of a locale, also of the form with underscores; undefined for what is none. */
export type LanguageOf = (locale: string | undefined) => Language | undefined

/** Asks Intl, which takes its time, only for languages that are not among the known ones, given by their canonical tags. */
export function createLanguages(known: readonly Language[]): LanguageOf {
  const byTag = new Map(known.map((language) => [language.lang, language]))
  return (locale) => {
    if (locale === undefined) return undefined
    const found = byTag.get(locale)
    if (found) return found
    const lang = canonicalTag(locale)
    return lang === undefined
      ? undefined
      : { lang, dir: new Intl.Locale(lang).getTextInfo().direction ?? 'ltr' }
  }
}
