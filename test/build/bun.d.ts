/// <reference types="bun" />
