// Texts that mean harm.

// Ends an attribute in either sort of quotes, then an element, and would make a picture that opens a dialog: its
// name says from which field it came. So short that it fits into a tag.
export const planted = (field) => `"'><img id=p-${field} src=x onerror=alert('${field}')>`;

// Other ways out of a text, for fields with room.
export const ATTEMPTS = [
  "<script>window.pwned=1</script>",
  "</textarea></title></style></script><svg onload=window.pwned=1>",
  "' autofocus onfocus='window.pwned=1' x='",
  "[click](javascript:window.pwned=1) <https://example.com|x> <javascript:window.pwned=1|y>",
  "<div hx-get=/stop-all hx-trigger=load hx-on:load=window.pwned=1 data-live id=live>x</div>",
  "<style>*{display:none}</style><base href=//elsewhere.example><meta http-equiv=refresh content=0>",
];
