// Draws the reference. It is a file of its own, so that the page's policy can
// forbid inline scripts altogether.
"use strict";

const reference = document.getElementById("reference");

SwaggerUIBundle({
  url: reference.dataset.spec,
  domNode: reference,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout", // no top bar: there is one document
  validatorUrl: null, // else a badge is fetched from another host
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  defaultModelExpandDepth: 3,
  displayRequestDuration: true,
  showExtensions: true, // x-required-scope
  persistAuthorization: false, // a key typed in here is gone with the page
});
