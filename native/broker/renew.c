// identity.renew: what the host's broker asks of a guest that is a copy, before anybody else can ask it anything.
#include "broker/methods.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool is_entropy(const char *text) {
    return strlen(text) % 2 == 0 && text[strspn(text, "0123456789abcdef")] == '\0';
}

void identity_renew(request *r) {
    const broker_config *config = &r->broker->config;
    const char *hostname = params_string(r->params, "hostname"), *hex = params_string(r->params, "entropy");
    if (!config->renew) {
        request_refuse(r, "unsupported", NULL, "only a guest's identity can be renewed");
        return;
    }
    uint8_t entropy[RENEW_ENTROPY_MAX];
    size_t length = strlen(hex) / 2;
    for (size_t i = 0; i < length; i++) {
        const char digits[] = {hex[2 * i], hex[2 * i + 1], '\0'};
        entropy[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    bh_error err;
    if (config->renew(hostname, entropy, length, params_integer(r->params, "unix_ms", 0), &err) < 0) {
        request_fail(r, &err);
        return;
    }
    machine *itself = broker_find(r->broker, "host");
    if (itself && hostname)
        snprintf(itself->hostname, sizeof itself->hostname, "%s", hostname);
    request_answer(r, NULL);
}
