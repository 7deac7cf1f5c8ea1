function response.
