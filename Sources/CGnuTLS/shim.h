#ifndef CGNUTLS_SHIM_H
#define CGNUTLS_SHIM_H

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

/// gnutls_free is a variable, which Swift cannot know to stay as it is.
static inline void cgnutls_free(void *memory) { (gnutls_free)(memory); }

#endif
