/**
 * The layout that MAIL_LAYOUT_FILE replaces. Every look stands inline, for clients that drop styles; the style sheet adds
 * dark mode and narrow screens. No line begins with a dot, which SMTP would have doubled. The classes `text`, `faint` and
 * `code` are those of the content.
 */
export const defaultLayout = `<!doctype html>
<html lang="{{lang}}" dir="{{dir}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>{{subject}}</title>
<style>
:root { color-scheme: light dark }
@media (max-width: 520px) {
 .page { padding: 0 0 24px !important }
 .card { border-radius: 0 !important; border-left: 0 !important; border-right: 0 !important }
 .head, .main { padding-left: 20px !important; padding-right: 20px !important }
}
@media (prefers-color-scheme: dark) {
 .page { background: #121417 !important }
 .card { background: #1d2025 !important; border-left-color: #31353c !important; border-right-color: #31353c !important; border-bottom-color: #31353c !important }
 .text { color: #eceef1 !important }
 .faint { color: #a4aab4 !important }
 .code { color: #ffffff !important; background: #2a2e35 !important; border-color: #3b4049 !important }
}
</style>
</head>
<body class="page" style="margin:0;padding:40px 16px;background:#f2f4f7">
<div class="card" style="max-width:480px;margin:0 auto;background:#ffffff;border:1px solid #e2e5ea;border-top:4px solid {{color}};border-radius:10px;font-family:-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif">
<div class="head" style="padding:24px 32px 0">
<span style="display:inline-block;padding:0 10px;border-radius:8px;background:{{color}};color:{{ink}};font-size:16px;font-weight:700;line-height:32px">{{logo}}</span>&nbsp;
<span class="text" style="color:#15181d;font-size:16px;font-weight:600;line-height:32px">{{brand}}</span>
</div>
<div class="main" style="padding:24px 32px 28px">
{{content}}
</div>
</div>
</body>
</html>
`
