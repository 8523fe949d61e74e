/*
 * page_style: how the pages look that Cradle writes (memory_page, the bench's): one column, a dark
 * side for those who ask for it, pictures as wide as the text. CSS, without its <style> tags.
 */
#ifndef STATS_PAGE_STYLE_H
#define STATS_PAGE_STYLE_H

#define PAGE_STYLE                                                                                 \
	"body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 "     \
	"1rem;"                                                                                    \
	"color:#111;background:#fff}svg{width:100%;height:auto}svg text{font:11px system-ui,"      \
	"sans-serif;fill:currentColor}table{border-collapse:collapse}td,th{padding:.15rem .8rem "  \
	".15rem 0;text-align:right}td:first-child,th:first-child,td.w,th.w{text-align:left}"       \
	".grid{stroke:currentColor;stroke-opacity:.15}"                                            \
	"@media(prefers-color-scheme:dark){body{color:#e5e7eb;background:#111}}"

#endif
